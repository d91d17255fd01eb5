// What a chat pane looks like: its parts, made once, and how a state is shown in them. It decides nothing.

import { rows, rowNode } from "./chat_log.js";
import { Composer } from "./composer.js";
import { fillSelect, h, renderList, replaceAll } from "./dom.js";
import { icon } from "./icons.js";

const PLACE_ICONS = { channel: "channel", private: "private", dialog: "dialog", group: "group" };
const NEAR = 40;

export class ChatFrame {
  /** `act`: what a person can do; see ChatPane. */
  constructor(root, chat, act) {
    Object.assign(this, { root, chat, act });
    const { title, groupWord } = chat;
    const plus = (label, what, onclick) =>
      h("button", { type: "button", class: "icon-button", "aria-label": label, title: what, onclick }, icon("plus"));
    this.who = h("select", { "aria-label": `You are, in ${title}`, onchange: () => act.become(this.who.value) });
    this.placesList = h("div", { class: "places" });
    this.note = h("div", { class: "place-note" });
    this.log = h("ol", { class: "log", role: "log", "aria-live": "polite", "aria-label": `Messages in ${title}`, tabindex: "0" });
    this.blank = h("div", { class: "blank" });
    this.scroller = h("div", { class: "scroller" }, this.blank, this.log);
    this.jump = h("button", { type: "button", class: "jump", hidden: true });
    this.context = h("div", { class: "context", hidden: true });
    this.composer = new Composer({ label: "Write a message", onsend: act.send, onescape: act.leaveThread, onup: act.editLast });
    this.announced = null;
    this.scroller.addEventListener("scroll", () => this.announced && !this.#outOfSight(this.announced) && this.hideJump());
    root.append(
      h("header", { class: "pane-head" }, h("h2", {}, title), h("label", { class: "who" }, h("span", {}, "You are"), this.who),
        plus(`New person in ${title}`, "New person", act.newPerson)),
      h("nav", { class: "places-bar", "aria-label": `${title} conversations` }, this.placesList,
        plus(`New ${groupWord} in ${title}`, `New ${groupWord}`, act.newPlace)),
      this.note,
      h("div", { class: "middle" }, this.scroller, this.jump),
      this.context,
      this.composer.element,
    );
  }

  showPeople(customers, desk, person) {
    const one = ({ id, name }) => [id, name];
    const groups = [{ label: "Customers", options: customers.map(one) }, { label: "The desk", options: desk.map(one) }];
    const filled = groups.filter((group) => group.options.length > 0);
    fillSelect(this.who, filled.length ? filled : [["", "nobody yet"]], person ?? "");
    this.who.disabled = filled.length === 0;
  }

  /** `places`: as the platform names them, with `here` and `unread`. */
  showPlaces(places) {
    renderList(this.placesList, places, (place) => place.id, (place) =>
      h("button", { type: "button", class: "place", "aria-current": place.here ? "true" : null, title: place.topic || place.name,
        "data-focus": "place", onclick: () => this.act.enter(place.id) },
      icon(PLACE_ICONS[place.kind]), h("span", {}, place.name),
      place.unread ? h("span", { class: "badge", "aria-label": `${place.unread} unread` }, String(place.unread)) : null));
  }

  /**
   * What keeps messages from Okno (`trouble`), what its bot doesn't hear here (`deafness`), which ticket the dialog has,
   * and for which other people (`news`: `{id, name, place}`) an answer waits.
   */
  showNote({ trouble, deafness, ticket, news }) {
    replaceAll(
      this.note,
      trouble ? h("span", { class: "trouble", role: "alert" }, trouble) : null,
      deafness ? h("span", {}, deafness) : null,
      deafness ? h("button", { type: "button", class: "plain", "data-focus": "invite", onclick: this.act.inviteBot }, "Let it hear") : null,
      ticket ? h("span", {}, "This dialog’s ticket:") : null,
      ticket ? h("button", { type: "button", class: `chip status-${ticket.status}`, "data-focus": "ticket",
        onclick: () => this.act.open(ticket.id) }, `#${ticket.number}`) : null,
      news.map((one) => h("button", { type: "button", class: "plain", "data-focus": `news ${one.id}`,
        onclick: () => this.act.visit(one.id, one.place) }, `New for ${one.name}`)),
    );
    this.note.hidden = !trouble && !deafness && !ticket && news.length === 0;
  }

  showMessages(view) {
    renderList(this.log, rows(view), (row) => row.key, (row) => rowNode(row, this.chat, this.act));
  }

  /** In place of messages, or above them: `{failure}`, `{nobody}`, `{loading}`, `{earlier}`, `{silent}` or nothing. */
  showBlank(what) {
    replaceAll(this.blank, this.#blankNote(what));
  }

  #blankNote({ failure, nobody, loading, earlier, silent }) {
    if (failure) {
      return h("div", { class: "empty", role: "alert" }, h("p", {}, failure),
        h("button", { type: "button", "data-focus": "again", onclick: this.act.again }, "Try again"));
    }
    if (nobody) return h("div", { class: "empty" }, h("p", {}, "Nobody is here yet. Add a person with “+” above."));
    if (loading) return h("p", { class: "empty later" }, "Loading …");
    if (earlier) {
      return h("button", { type: "button", class: "plain earlier", "data-focus": "earlier", onclick: this.act.earlier }, "Show earlier messages");
    }
    if (!silent) return null;
    return h("div", { class: "empty" }, h("p", {}, "Nothing has been said here yet."),
      h("p", { class: "quiet" }, "Write below as a customer: a ticket appears in the third pane."));
  }

  /** Where the composer writes: `place` or nothing; `root` is the message that is answered. */
  showComposer(place, root, enabled) {
    const sign = place?.kind === "channel" || place?.kind === "private" ? "#" : "";
    this.composer.relabel(root ? "Write a reply" : place ? `Write to ${sign}${place.name}` : "Write a message");
    this.composer.enable(enabled);
    this.context.hidden = !root;
    replaceAll(this.context, root ? [
      h("span", {}, this.chat.threads ? "In the thread of " : "Reply to ", h("b", {}, root.author.name), ": ", root.text.slice(0, 90)),
      h("button", { type: "button", class: "icon-button", "aria-label": "Leave the thread", title: "Leave the thread (Esc)",
        onclick: () => { this.act.leaveThread(); this.composer.focus(); } }, icon("close")),
    ] : []);
  }

  // --- scrolling and focus -------------------------------------------------------------------------------------

  inSight() {
    return this.root.offsetParent !== null;
  }

  atBottom() {
    return this.scroller.scrollHeight - this.scroller.scrollTop - this.scroller.clientHeight < NEAR;
  }

  toBottom() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  node(message) {
    return this.log.querySelector(`[data-message="${CSS.escape(message)}"]`);
  }

  /** Bring a message, or the last one, into sight and mark it for a moment. */
  pointAt(message) {
    const node = message && this.node(message);
    (node ?? this.log.lastElementChild)?.scrollIntoView({ block: "nearest" });
    node?.animate([{ background: "var(--flash)" }, {}], 1600);
  }

  /** Of messages that just arrived, the last one out of sight (a reply in an older thread) is announced with a way to it. */
  announce(messages) {
    for (const message of messages.toReversed()) {
      if (!this.#outOfSight(message.id)) continue;
      this.announced = message.id;
      const short = message.text.length > 40 ? `${message.text.slice(0, 40)}…` : message.text;
      this.jump.textContent = `New from ${message.author.name}: ${short}`;
      this.jump.onclick = () => {
        this.node(message.id)?.scrollIntoView({ block: "center" });
        this.hideJump();
      };
      this.jump.hidden = false;
      return;
    }
  }

  #outOfSight(message) {
    const box = this.node(message)?.getBoundingClientRect();
    const frame = this.scroller.getBoundingClientRect();
    return box !== undefined && (box.bottom <= frame.top || box.bottom > frame.bottom + 4);
  }

  hideJump() {
    this.announced = null;
    this.jump.hidden = true;
  }

  focusPalette() {
    this.log.querySelector(".palette button")?.focus();
  }

  focusEditor() {
    const area = this.log.querySelector(".editor textarea");
    area?.focus();
    area?.setSelectionRange(area.value.length, area.value.length);
  }
}
