// Answering a ticket: as whom, a reply for the customer or a note for the desk, and who of the desk is to be asked.

import { Composer } from "./composer.js";
import { ask } from "./dialogs.js";
import { fillSelect, h, renderList } from "./dom.js";
import { newKey } from "./http.js";
import { recall, remember } from "./memory.js";
import * as api from "./tickets_api.js";

const NEW = "+";
const ROLES = [["agent", "Agent"], ["mentor", "Mentor"], ["coordinator", "Coordinator"], ["lead", "Lead"]];

export class TicketComposer {
  constructor({ desk, ondone }) {
    Object.assign(this, { desk, ondone });
    this.ticket = null;
    this.kind = "replies";
    this.agent = null;
    this.chosen = recall("agent");
    this.mentions = new Set();
    this.drafts = new Map();
    this.attempt = null;
    this.#build();
  }

  #build() {
    this.who = h("select", { "aria-label": "You answer as", onchange: () => this.#choose() });
    this.kinds = h("div", { class: "segments", role: "group", "aria-label": "What you write" });
    this.asked = h("div", { class: "asked", role: "group", "aria-label": "Mention somebody of the desk" });
    this.composer = new Composer({ label: "Reply to the customer", onsend: (text) => this.#send(text) });
    this.element = h("div", { class: "ticket-composer" },
      h("div", { class: "row spread" }, this.kinds, h("label", { class: "mini" }, h("span", {}, "as"), this.who)),
      this.asked, this.composer.element);
  }

  /** Write in this ticket, or in none. Each ticket keeps its own draft. */
  show(ticket) {
    if (ticket?.id !== this.ticket?.id) {
      if (this.ticket) this.drafts.set(this.ticket.id, this.composer.text);
      this.composer.text = ticket ? (this.drafts.get(ticket.id) ?? "") : "";
      this.composer.explain(null);
      this.mentions.clear();
    }
    this.ticket = ticket;
    this.render();
  }

  focus() {
    this.composer.focus();
  }

  render() {
    const { agents } = this.desk;
    this.agent = writer(agents, this.chosen)?.id ?? null;
    fillSelect(this.who, [...(this.agent ? [] : [["", "choose"]]), ...agents.map((agent) => [agent.id, agent.name]), [NEW, "New agent …"]], this.agent ?? "");
    const kinds = [["replies", "Reply"], ["notes", "Note"]].map(([key, label]) => ({ key, label, on: key === this.kind }));
    renderList(this.kinds, kinds, (one) => one.key, (one) =>
      h("button", { type: "button", "aria-pressed": String(one.on), "data-focus": one.key, onclick: () => this.#turn(one.key) }, one.label));
    this.#renderMentions();
    const note = this.kind === "notes";
    const label = note ? "Note for the desk; the customer never sees it" : `Reply to ${this.ticket?.requester.name ?? "the customer"}`;
    this.composer.relabel(label, note ? "Add the note" : "Send the reply");
    this.composer.enable(this.ticket !== null);
    this.element.classList.toggle("writing-note", note);
  }

  #renderMentions() {
    const reachable = this.ticket ? this.desk.reachable(this.ticket.platform).filter((agent) => agent.id !== this.agent) : [];
    const items = reachable.map((agent) => ({ id: agent.id, name: agent.name, role: agent.role, on: this.mentions.has(agent.id) }));
    renderList(this.asked, items, (one) => one.id, (one) =>
      h("button", { type: "button", class: "ask", "aria-pressed": String(one.on), "data-focus": "ask", title: `Mention ${one.name} in the chat and wait for an answer`,
        onclick: () => this.#mention(one.id) }, `@${one.name}`, one.role === "agent" ? null : h("span", { class: "quiet" }, ` ${one.role}`)));
    this.asked.hidden = this.kind === "notes" || items.length === 0;
  }

  #turn(kind) {
    this.kind = kind;
    this.render();
    this.composer.focus();
  }

  #mention(agent) {
    if (!this.mentions.delete(agent)) this.mentions.add(agent);
    this.render();
  }

  async #choose() {
    if (this.who.value !== NEW) this.chosen = this.who.value;
    else {
      const made = await ask({
        title: "New agent",
        intro: "Somebody who answers tickets here. To write in a chat too, add a person there.",
        fields: [{ name: "name", label: "Name" }, { name: "role", label: "Role", options: ROLES }],
        action: "Add",
        submit: ({ name, role }) => this.desk.add(name.trim(), role, null),
      });
      if (made) this.chosen = made;
    }
    if (this.chosen) remember("agent", this.chosen);
    delete this.who.dataset.mark;
    this.render();
  }

  /** Repeating a text after a failure uses the same key, so that it can't be sent twice. */
  async #send(text) {
    const body = { text, ...(this.agent ? { agent_id: this.agent } : {}) };
    if (this.kind === "replies" && this.mentions.size > 0) body.mentions = [...this.mentions];
    const mark = JSON.stringify([this.ticket.id, this.kind, body]);
    if (this.attempt?.mark !== mark) this.attempt = { mark, key: newKey() };
    const { ticket } = this;
    await api.write(ticket, this.kind, body, this.attempt.key);
    this.attempt = null;
    this.drafts.delete(ticket.id);
    if (this.ticket?.id === ticket.id) this.composer.text = "";
    this.mentions.clear();
    this.render();
    this.ondone();
  }
}

/** Whoever was chosen; else an agent, first of all one who works here only and doesn't write in the chats. */
function writer(agents, chosen) {
  const here = agents.filter((agent) => agent.role === "agent");
  return agents.find((agent) => agent.id === chosen) ?? here.find((agent) => agent.identities.length === 0) ?? here[0] ?? agents[0];
}
