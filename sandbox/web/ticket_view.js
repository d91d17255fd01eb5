// One ticket: its state, which agents change, its messages or history, and the place to answer.

import { fillSelect, h, renderList, replaceAll } from "./dom.js";
import { ask } from "./dialogs.js";
import { icon } from "./icons.js";
import { placeName } from "./ticket_list.js";
import { messageNode } from "./ticket_messages.js";
import { TicketComposer } from "./ticket_composer.js";
import * as api from "./tickets_api.js";
import { newKey } from "./http.js";
import { atClock, dayName, inFull, lasting } from "./times.js";
import { changedFields, changeText, PRIORITIES, SETTABLE, STATUSES } from "./words.js";

export class TicketView {
  constructor({ desk, notify, visit, back, refresh }) {
    Object.assign(this, { desk, notify, visit, back, refresh });
    this.id = null;
    this.ticket = null;
    this.messages = null;
    this.history = null;
    this.tab = "messages";
    this.editing = null;
    this.changes = Promise.resolve();
    this.composer = new TicketComposer({ desk, ondone: () => this.refresh() });
    this.#build();
  }

  #build() {
    this.head = h("h2", { tabindex: "-1" });
    this.about = h("p", { class: "about" });
    this.status = h("select", { "aria-label": "Status", onchange: () => this.#set({ status: this.status.value }) });
    this.assignee = h("select", { "aria-label": "Assignee", onchange: () => this.#set({ assignee: this.assignee.value || null }) });
    this.priority = h("select", { "aria-label": "Priority", onchange: () => this.#set({ priority: this.priority.value }) });
    this.quick = h("div", { class: "row quick" });
    this.tags = h("div", { class: "tags" });
    this.pings = h("ul", { class: "pings" });
    this.tabs = h("div", { class: "tabs", role: "group", "aria-label": "What to show" });
    this.log = h("ol", { class: "log", role: "log", "aria-live": "polite", "aria-label": "Messages of the ticket", tabindex: "0" });
    this.past = h("ol", { class: "history", "aria-label": "History of the ticket", hidden: true });
    this.scroller = h("div", { class: "scroller" }, this.log, this.past);
    this.problem = h("p", { class: "problem", role: "alert", hidden: true });
    const field = (label, control) => h("label", { class: "mini" }, h("span", {}, label), control);
    this.element = h(
      "div",
      { class: "ticket-view" },
      h("header", { class: "pane-head" },
        h("button", { type: "button", class: "icon-button", "aria-label": "Back to the list", title: "Back to the list", onclick: () => this.back() }, icon("back")),
        this.head),
      h("div", { class: "ticket-state" }, this.about,
        h("div", { class: "row fields" }, field("Status", this.status), field("Assignee", this.assignee), field("Priority", this.priority)),
        h("div", { class: "row spread" }, this.quick, this.tags), this.pings),
      this.problem,
      this.tabs,
      h("div", { class: "middle" }, this.scroller),
      this.composer.element,
    );
  }

  /** `ticket` is what the list knows of it, so that most of it is there at once. */
  show(id, ticket) {
    if (id === this.id) return;
    Object.assign(this, { id, ticket, messages: null, history: null, editing: null, tab: "messages" });
    this.render();
    if (id !== null) this.head.focus({ preventScroll: true });
  }

  /** Read the ticket; its messages and history only when it changed. */
  async read() {
    const id = this.id;
    if (id === null) return;
    const ticket = await api.open(id);
    if (id !== this.id) return;
    const changed = ticket.version !== this.ticket?.version || this.messages === null;
    const [messages, history] = await Promise.all([
      changed ? api.messages(id) : this.messages,
      this.tab === "history" && (changed || this.history === null) ? api.history(id) : this.history,
    ]);
    if (id !== this.id) return;
    const first = this.messages === null;
    const stick = first || this.#atBottom();
    if (changed && this.tab !== "history") this.history = null;
    Object.assign(this, { ticket, messages, history: this.tab === "history" ? history : this.history });
    this.render();
    if (stick && this.tab === "messages") this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  explain(failure) {
    this.problem.textContent = failure ?? "";
    this.problem.hidden = !failure;
  }

  /** Change fields, one change after the other: each is based on what the one before left. `fieldsOf(ticket)`. */
  #change(fieldsOf) {
    const { id } = this;
    const done = this.changes.then(async () => {
      if (id !== this.id) return;
      const changed = await api.change(this.ticket, fieldsOf(this.ticket));
      if (id === this.id && changed.version >= this.ticket.version) Object.assign(this, { ticket: changed, history: null });
    });
    this.changes = done.catch(() => {});
    return done;
  }

  async #set(fields) {
    await this.#try(() => this.#change(() => fields));
    this.render();
  }

  async #try(work) {
    try {
      await work();
    } catch (error) {
      this.notify(error.message);
    }
    await this.refresh();
  }

  render() {
    const { ticket } = this;
    this.head.title = ticket?.subject ?? "";
    this.head.textContent = ticket ? `#${ticket.number} ${ticket.subject || "(no text)"}` : "Loading …";
    this.element.classList.toggle("loading", ticket === null);
    if (ticket === null) {
      renderList(this.log, [], () => "", () => null);
      replaceAll(this.about);
      replaceAll(this.quick);
      replaceAll(this.tags);
      replaceAll(this.pings);
      this.composer.show(null);
      return;
    }
    this.#renderState(ticket);
    this.#renderTabs();
    this.#renderMessages(ticket);
    this.#renderHistory();
    this.composer.show(ticket);
  }

  #renderState(ticket) {
    const requester = ticket.requester.name ?? ticket.requester.key;
    replaceAll(
      this.about,
      h("span", {}, h("b", {}, requester), ` in ${placeName(ticket)}, `,
        h("time", { datetime: ticket.created_at, title: inFull(Date.parse(ticket.created_at)) }, since(ticket.created_at)),
        ticket.first_response_at ? `, first answered after ${between(ticket.created_at, ticket.first_response_at)}` : ", not answered yet"),
      h("button", { type: "button", class: "plain", "data-focus": "visit", onclick: () => this.visit(ticket) }, "Show in the chat"),
    );
    const settable = Object.entries(STATUSES).filter(([key]) => SETTABLE.includes(key) || key === ticket.status);
    fillSelect(this.status, settable, ticket.status);
    this.status.className = `status-${ticket.status}`;
    const people = this.desk.agents.map((agent) => [agent.id, agent.name]);
    if (ticket.assignee && !people.some(([id]) => id === ticket.assignee)) people.push([ticket.assignee, ticket.assignee_name ?? "somebody"]);
    fillSelect(this.assignee, [["", "Nobody"], ...people], ticket.assignee ?? "");
    fillSelect(this.priority, Object.entries(PRIORITIES), ticket.priority);
    const ended = ticket.status === "closed";
    const quick = ended ? [["open", "Reopen"]] : ticket.status === "solved" ? [["open", "Reopen"], ["closed", "Close"]] : [["solved", "Solve"], ["closed", "Close"]];
    renderList(this.quick, quick.map(([status, label]) => ({ status, label })), (one) => one.status, (one) =>
      h("button", { type: "button", "data-focus": one.status, onclick: () => this.#set({ status: one.status }) }, one.label));
    replaceAll(this.tags, ticket.tags.map((tag) =>
      h("span", { class: "tag" }, tag, h("button", { type: "button", class: "tiny", "aria-label": `Remove the tag ${tag}`, "data-focus": `tag ${tag}`,
        onclick: () => this.#removeTag(tag) }, icon("close")))),
    h("button", { type: "button", class: "plain", "data-focus": "tag", onclick: () => this.#addTag() }, "Add tag"));
    replaceAll(this.pings, ticket.pings.map((ping) => h("li", {}, h("b", {}, ping.name), ` was asked at ${atClock(Date.parse(ping.at))}: `,
      ping.answered_at ? `answered after ${between(ping.at, ping.answered_at)}` : "no answer yet")));
    this.pings.hidden = ticket.pings.length === 0;
  }

  async #addTag() {
    await ask({
      title: "Add a tag", fields: [{ name: "tag", label: "Tag" }], action: "Add",
      submit: ({ tag }) => this.#change((ticket) => ({ tags: [...ticket.tags, tag.trim()] })),
    });
    await this.refresh();
  }

  #removeTag(tag) {
    return this.#try(() => this.#change((ticket) => ({ tags: ticket.tags.filter((one) => one !== tag) })));
  }

  #renderTabs() {
    const tabs = [["messages", "Messages"], ["history", "History"]].map(([key, label]) => ({ key, label, on: key === this.tab }));
    renderList(this.tabs, tabs, (one) => one.key, (one) =>
      h("button", { type: "button", "aria-pressed": String(one.on), "data-focus": one.key, onclick: () => this.#turn(one.key) }, one.label));
    this.log.hidden = this.tab !== "messages";
    this.past.hidden = this.tab !== "history";
  }

  #turn(tab) {
    this.tab = tab;
    this.render();
    this.scroller.scrollTop = tab === "messages" ? this.scroller.scrollHeight : 0;
    this.refresh();
  }

  #renderMessages(ticket) {
    const items = (this.messages ?? []).map((message) => ({ message, editing: this.editing === message.id }));
    const act = {
      person: (key) => this.desk.agents.find((agent) => agent.identities.includes(key))?.name,
      edit: (message) => this.#edit(message.id),
      cancel: () => this.#edit(null),
      save: (message, text) => {
        this.editing = null;
        return this.#try(async () => {
          if (text.trim() && text !== message.text) await api.revise(ticket, message.id, text);
        });
      },
      remove: (message) => this.#try(() => api.remove(ticket, message.id)),
      decide: (message, what) => this.#try(() => api.decide(ticket, message.id, what, newKey())),
    };
    renderList(this.log, items, (item) => item.message.id, (item) => messageNode(item, act));
  }

  #edit(message) {
    this.editing = message;
    this.render();
    if (message === null) this.composer.focus();
    else this.log.querySelector(".editor textarea")?.focus();
  }

  #renderHistory() {
    const entries = (this.history ?? []).map((entry) => ({
      ...entry, text: changeText(entry), fields: changedFields(entry, this.desk.agents),
    }));
    renderList(this.past, entries.reverse(), (entry) => entry.version, (entry) => {
      const moment = Date.parse(entry.at);
      return h("li", {}, h("time", { datetime: entry.at, title: inFull(moment) }, atClock(moment)), h("span", {}, entry.text,
        entry.fields.map(([name, before, after]) => h("span", { class: "field-change" }, `${name}: ${before} → ${after}`))));
    });
  }

  #atBottom() {
    return this.scroller.scrollHeight - this.scroller.scrollTop - this.scroller.clientHeight < 40;
  }
}

const between = (from, to) => lasting(Date.parse(to) - Date.parse(from));

function since(text) {
  const moment = Date.parse(text);
  return `${dayName(moment).toLowerCase()} at ${atClock(moment)}`;
}
