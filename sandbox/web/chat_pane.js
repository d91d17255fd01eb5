// One simulated platform: who you are, where you are, what is said there, and the place to write.
// What the pane shows is always read from the platform after a happening, never guessed.

import { deletedHere } from "./gone.js";
import { rows, rowNode } from "./chat_log.js";
import { Composer } from "./composer.js";
import { ask } from "./dialogs.js";
import { coalesced, fillSelect, h, renderList, replaceAll } from "./dom.js";
import { icon } from "./icons.js";
import { recall, remember } from "./memory.js";

const PAGE = 200;
const PLACE_ICONS = { channel: "channel", private: "private", dialog: "dialog", group: "group" };

export class ChatPane {
  /** `chat`: SlackChat or TelegramChat; `desk`: who is on the desk; `tickets`: what the third pane knows. */
  constructor(root, chat, { desk, tickets, notify, onunread }) {
    Object.assign(this, { root, chat, desk, tickets, notify, onunread });
    this.person = null;
    this.place = null;
    this.messages = null;
    this.limit = PAGE;
    this.thread = null;
    this.editing = null;
    this.reacting = null;
    this.expanded = new Set();
    this.unread = new Map();
    this.drafts = new Map();
    this.gone = deletedHere();
    this.failure = null;
    this.readWorld = coalesced(() => this.#readWorld());
    this.readMessages = coalesced(() => this.#readMessages());
    this.#build();
  }

  #build() {
    const { title, groupWord } = this.chat;
    this.who = h("select", { "aria-label": `You are, in ${title}`, onchange: () => this.become(this.who.value) });
    this.placesList = h("div", { class: "places" });
    this.note = h("div", { class: "place-note" });
    this.log = h("ol", { class: "log", role: "log", "aria-live": "polite", "aria-label": `Messages in ${title}`, tabindex: "0" });
    this.blank = h("div", { class: "blank" });
    this.scroller = h("div", { class: "scroller" }, this.blank, this.log);
    this.jump = h("button", { type: "button", class: "jump", hidden: true });
    this.context = h("div", { class: "context", hidden: true });
    this.composer = new Composer({
      label: "Write a message",
      onsend: (text) => this.#send(text),
      onescape: () => this.#leaveThread(),
      onup: () => this.#editLast(),
    });
    this.scroller.addEventListener("scroll", () => this.#atBottom() && this.#hideJump());
    this.root.append(
      h("header", { class: "pane-head" }, h("h2", {}, title), h("label", { class: "who" }, h("span", {}, "You are"), this.who),
        h("button", { type: "button", class: "icon-button", "aria-label": `New person in ${title}`, title: "New person",
          onclick: () => this.#newPerson() }, icon("plus"))),
      h("nav", { class: "places-bar", "aria-label": `${title} conversations` }, this.placesList,
        h("button", { type: "button", class: "icon-button", "aria-label": `New ${groupWord} in ${title}`, title: `New ${groupWord}`,
          onclick: () => this.#newPlace() }, icon("plus"))),
      this.note,
      h("div", { class: "middle" }, this.scroller, this.jump),
      this.context,
      this.composer.element,
    );
    this.render();
  }

  // --- what is there -------------------------------------------------------------------------------------------

  async #readWorld() {
    try {
      await this.chat.load();
      this.failure = null;
    } catch (error) {
      this.failure = error.message;
    }
    const people = this.chat.people();
    if (!people.some((one) => one.id === this.person)) {
      const last = recall(`${this.chat.platform}.person`);
      const customers = people.filter((one) => !this.#onDesk(one));
      this.person = (people.find((one) => one.id === last) ?? customers[0] ?? people[0])?.id ?? null;
    }
    this.#keepPlace();
    this.render();
  }

  #keepPlace() {
    const places = this.chat.places(this.person);
    if (places.some((one) => one.id === this.place)) return;
    const last = recall(`${this.chat.platform}.place`);
    this.place = (places.find((one) => one.id === last) ?? places[0])?.id ?? null;
    this.#entered();
  }

  async #readMessages() {
    const place = this.place;
    if (place === null) return;
    const before = this.messages;
    let found;
    try {
      found = await this.chat.messages(place, this.limit);
      this.failure = null;
    } catch (error) {
      this.failure = error.message;
      found = before;
    }
    if (place !== this.place) return;
    const known = new Set((before ?? []).map((message) => message.id));
    const news = before === null ? [] : (found ?? []).filter((one) => !known.has(one.id) && !one.notice && one.at >= (before.at(-1)?.at ?? 0));
    this.messages = found;
    if (found) this.gone.remember(place, found);
    const stick = before === null || this.#atBottom();
    this.render();
    if (stick) this.#toBottom();
    this.#pointTo(news.filter((one) => one.author.id !== this.person));
  }

  /** A happening of the live stream. */
  happened(event) {
    const seen = this.chat.interpret(event);
    if (seen === null) return;
    if (seen.what === "undelivered") this.notify(seen.reason, "undelivered");
    if (seen.what === "said") this.notify(seen.text);
    if (seen.what === "gone") this.gone.add(seen.place, seen.message);
    if (seen.what === "world") this.readWorld();
    if (seen.what === "message" && (seen.place !== this.place || this.root.offsetParent === null)) {
      if (seen.author !== this.person) this.#countUnread(seen.place);
      if (!this.chat.places(this.person).some((one) => one.id === seen.place)) this.readWorld();
    }
    if (seen.place === this.place || seen.what === "world") this.readMessages();
  }

  refresh() {
    return this.readWorld().then(() => this.readMessages());
  }

  #countUnread(place) {
    this.unread.set(place, (this.unread.get(place) ?? 0) + 1);
    this.render();
    this.onunread();
  }

  unreadTotal() {
    return [...this.unread.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Called when the pane comes into view in a narrow window. */
  looked() {
    this.unread.delete(this.place);
    this.render();
    this.onunread();
    this.#toBottom();
  }

  // --- who and where -------------------------------------------------------------------------------------------

  become(person) {
    this.person = person;
    remember(`${this.chat.platform}.person`, person);
    this.#leaveThread();
    this.#keepPlace();
    this.render();
  }

  async go(place, thread = null) {
    try {
      const id = await this.chat.enter(place);
      if (id !== this.place) {
        this.#keepDraft();
        this.place = id;
        remember(`${this.chat.platform}.place`, id);
        this.#entered();
      }
    } catch (error) {
      this.notify(error.message);
    }
    this.thread = thread;
    this.render();
    await this.readMessages();
  }

  #entered() {
    this.messages = null;
    this.limit = PAGE;
    this.thread = null;
    this.editing = null;
    this.reacting = null;
    this.unread.delete(this.place);
    this.composer.text = this.drafts.get(this.place) ?? "";
    this.composer.explain(null);
    this.onunread();
    this.#hideJump();
    if (this.place !== null) this.readMessages();
  }

  #keepDraft() {
    this.drafts.set(this.place, this.composer.text);
  }

  /** Show a ticket's conversation as its requester: from the third pane. */
  async visit(person, place, message) {
    if (this.chat.people().some((one) => one.id === person) && person !== this.person) this.become(person);
    await this.go(place, this.chat.threads ? message : null);
    const node = message && this.log.querySelector(`[data-message="${CSS.escape(message)}"]`);
    (node ?? this.log.lastElementChild)?.scrollIntoView({ block: "nearest" });
    node?.animate([{ background: "var(--flash)" }, {}], 1600);
    this.composer.focus();
  }

  async #newPerson() {
    const roles = [["", "A customer"], ["agent", "On the desk: agent"], ["mentor", "On the desk: mentor"],
      ["coordinator", "On the desk: coordinator"], ["lead", "On the desk: lead"]];
    const id = await ask({
      title: `New person in ${this.chat.title}`,
      fields: [{ name: "name", label: "Name" }, { name: "role", label: "Who is it?", options: roles,
        hint: "What the desk’s people write in a thread goes into the ticket as an answer." }],
      action: "Add",
      submit: async ({ name, role }) => {
        const person = await this.chat.addPerson({ name: name.trim(), desk: role });
        if (role) await this.desk.add(name.trim(), role, this.chat.personKey(person));
        return person;
      },
    });
    if (id === null) return;
    await this.readWorld();
    this.become(id);
    this.composer.focus();
  }

  async #newPlace() {
    const place = await ask({
      title: `New ${this.chat.groupWord} in ${this.chat.title}`,
      fields: [{ name: "name", label: "Name" }, { name: "kind", label: "Kind", options: this.chat.placeKinds }],
      action: "Create",
      submit: (values) => this.chat.addPlace(this.person, values),
    });
    if (place === null) return;
    await this.readWorld();
    await this.go(place);
    this.composer.focus();
  }

  // --- what a person does --------------------------------------------------------------------------------------

  async #send(text) {
    const place = await this.chat.post(this.person, this.place, text, { thread: this.thread });
    if (!this.chat.threads) this.thread = null;
    if (place !== this.place) {
      this.place = place;
      this.messages = null;
    }
    this.drafts.delete(place);
    await this.readMessages();
    if (!this.thread) this.#toBottom();
  }

  async #try(work) {
    try {
      const remark = await work();
      if (remark) this.notify(remark);
      await this.readMessages();
    } catch (error) {
      this.notify(error.message);
    }
  }

  #actions() {
    const chat = this.chat;
    return {
      platform: chat.platform,
      person: () => this.person,
      open: (ticket) => this.tickets.open(ticket),
      expand: (root) => this.#change(() => this.expanded.add(root)),
      choose: (message) => {
        this.#change(() => (this.reacting = this.reacting === message.id ? null : message.id));
        if (this.reacting) this.log.querySelector(".palette button")?.focus();
      },
      react: (message, name) => this.#try(() => {
        this.reacting = null;
        const mine = message.reactions.find((one) => one.name === name)?.people.includes(this.person);
        return chat.react(this.person, this.place, message, name, !mine);
      }),
      answer: (message) => {
        this.#change(() => (this.thread = message.root ?? message.id));
        this.composer.focus();
      },
      edit: (message) => this.#edit(message.id),
      save: (message, text) => this.#try(async () => {
        if (text.trim() && text !== message.text) await chat.edit(this.place, message.id, text);
        this.editing = null;
        this.composer.focus();
      }),
      cancel: () => {
        this.#change(() => (this.editing = null));
        this.composer.focus();
      },
      remove: (message) => this.#try(async () => {
        const remark = await chat.remove(this.place, message.id);
        this.composer.focus();
        return remark;
      }),
      press: (message, button) => this.#try(() => chat.press(this.person, this.place, message, button.callback_data)),
    };
  }

  #change(work) {
    work();
    this.render();
  }

  #edit(message) {
    this.#change(() => (this.editing = message));
    const area = this.log.querySelector(".editor textarea");
    area?.focus();
    area?.setSelectionRange(area.value.length, area.value.length);
  }

  #editLast() {
    const mine = (this.messages ?? []).filter((one) => one.author.id === this.person && !one.deleted && !one.notice);
    if (mine.length === 0) return false;
    this.#edit(mine.at(-1).id);
    return true;
  }

  #leaveThread() {
    if (this.thread !== null) this.#change(() => (this.thread = null));
  }

  // --- showing -------------------------------------------------------------------------------------------------

  #onDesk(person) {
    return person.desk || this.desk.has(this.chat.personKey(person.id));
  }

  render() {
    this.#renderWho();
    this.#renderPlaces();
    this.#renderNote();
    this.#renderLog();
    this.#renderComposer();
  }

  #renderWho() {
    const people = this.chat.people();
    const one = (person) => [person.id, person.name + (this.#waiting(person.id) ? " (new)" : "")];
    const customers = people.filter((person) => !this.#onDesk(person)).map(one);
    const desk = people.filter((person) => this.#onDesk(person)).map(one);
    const groups = [{ label: "Customers", options: customers }, { label: "The desk", options: desk }];
    fillSelect(this.who, people.length ? groups.filter((group) => group.options.length) : [["", "nobody yet"]], this.person ?? "");
    this.who.disabled = people.length === 0;
  }

  #waiting(person) {
    return person !== this.person && this.chat.places(person).some((place) => place.kind === "dialog" && this.unread.has(place.id));
  }

  #renderPlaces() {
    const items = this.chat.places(this.person).map((place) => ({
      ...place, here: place.id === this.place, unread: this.unread.get(place.id) ?? 0,
    }));
    renderList(this.placesList, items, (place) => place.id, (place) =>
      h("button", { type: "button", class: "place", "aria-current": place.here ? "true" : null, title: place.topic || place.name,
        "data-focus": "place", onclick: () => this.go(place.id).then(() => this.composer.focus()) },
      icon(PLACE_ICONS[place.kind]), h("span", {}, place.name),
      place.unread ? h("span", { class: "badge", "aria-label": `${place.unread} unread` }, String(place.unread)) : null));
  }

  #current() {
    return this.chat.places(this.person).find((place) => place.id === this.place);
  }

  #renderNote() {
    const place = this.#current();
    const deaf = place ? this.chat.deafness(place) : null;
    const ticket = place && place.kind === "dialog" ? this.tickets.of(this.chat.channelKey(place.id)) : null;
    replaceAll(
      this.note,
      deaf ? h("span", {}, deaf) : null,
      deaf ? h("button", { type: "button", class: "plain", "data-focus": "invite",
        onclick: () => this.#try(async () => { await this.chat.inviteBot(place.id, this.person); await this.readWorld(); }) }, "Let it hear") : null,
      ticket ? h("span", {}, "This dialog’s ticket: ") : null,
      ticket ? h("button", { type: "button", class: `chip status-${ticket.status}`, "data-focus": "ticket",
        onclick: () => this.tickets.open(ticket.id) }, `#${ticket.number}`) : null,
    );
    this.note.hidden = !deaf && !ticket;
  }

  #renderLog() {
    const messages = this.messages ?? [];
    const channelKey = this.place === null ? "" : this.chat.channelKey(this.place);
    const place = this.#current();
    const found = rows({
      messages: this.gone.with(this.place, messages),
      person: this.person,
      editing: this.editing,
      reacting: this.reacting,
      answering: this.thread,
      expanded: this.expanded,
      names: (id) => this.chat.people().find((one) => one.id === id)?.name ?? (String(this.chat.bot?.id ?? this.chat.bot) === id ? "Okno" : id),
      ticketOf: (message) => (place?.kind === "dialog" ? null : this.tickets.of(`${channelKey}/${message.id}`)),
    });
    const act = this.#actions();
    renderList(this.log, found, (row) => row.key, (row) => rowNode(row, this.chat, act));
    replaceAll(this.blank, this.#blankNote(messages));
  }

  #blankNote(messages) {
    if (this.failure) {
      return h("div", { class: "empty", role: "alert" }, h("p", {}, this.failure),
        h("button", { type: "button", onclick: () => this.refresh() }, "Try again"));
    }
    if (this.person === null) return h("div", { class: "empty" }, h("p", {}, "Nobody is here yet. Add a person with “+” above."));
    if (this.messages === null && !(this.place && this.chat.isVirtual(this.place))) return h("p", { class: "empty" }, "Loading …");
    if (messages.length >= this.limit) {
      return h("button", { type: "button", class: "plain earlier", "data-focus": "earlier",
        onclick: () => { this.limit += PAGE; this.readMessages(); } }, "Show earlier messages");
    }
    if (messages.length === 0) {
      return h("div", { class: "empty" }, h("p", {}, "Nothing has been said here yet."),
        h("p", { class: "quiet" }, "Write below as a customer: a ticket appears in the third pane."));
    }
    return null;
  }

  #renderComposer() {
    const place = this.#current();
    const sign = place?.kind === "channel" || place?.kind === "private" ? "#" : "";
    const root = this.thread && this.messages?.find((one) => one.id === this.thread);
    this.composer.relabel(root ? "Write a reply" : place ? `Write to ${sign}${place.name}` : "Write a message");
    this.composer.enable(Boolean(place && this.person));
    this.context.hidden = !root;
    replaceAll(this.context, root ? [
      h("span", {}, this.chat.threads ? "In the thread of " : "Reply to ", h("b", {}, root.author.name), ": ", root.text.slice(0, 90)),
      h("button", { type: "button", class: "icon-button", "aria-label": "Leave the thread", title: "Leave the thread (Esc)",
        onclick: () => { this.#leaveThread(); this.composer.focus(); } }, icon("close")),
    ] : []);
  }

  // --- scrolling -----------------------------------------------------------------------------------------------

  #atBottom() {
    return this.scroller.scrollHeight - this.scroller.scrollTop - this.scroller.clientHeight < 40;
  }

  #toBottom() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  /** A message that arrived out of sight, such as a reply in an older thread, is announced with a way to it. */
  #pointTo(news) {
    const frame = this.scroller.getBoundingClientRect();
    for (const message of news.toReversed()) {
      const node = this.log.querySelector(`[data-message="${CSS.escape(message.id)}"]`);
      const box = node?.getBoundingClientRect();
      if (!box || (box.bottom > frame.top && box.bottom <= frame.bottom + 4)) continue;
      const short = message.text.length > 40 ? `${message.text.slice(0, 40)}…` : message.text;
      this.jump.textContent = `New from ${message.author.name}: ${short}`;
      this.jump.onclick = () => {
        node.scrollIntoView({ block: "center" });
        this.#hideJump();
      };
      this.jump.hidden = false;
      return;
    }
  }

  #hideJump() {
    this.jump.hidden = true;
  }
}
