// The list of tickets with its filters. The newest stands first and stays there: nothing jumps while you read.

import { fillSelect, h, renderList, replaceAll } from "./dom.js";
import * as api from "./tickets_api.js";
import { briefly, inFull } from "./times.js";
import { STATUSES } from "./words.js";

const PAGE = 50;
const MOST = 200;

export class TicketList {
  constructor({ desk, open, refresh }) {
    Object.assign(this, { desk, open, refresh });
    this.filter = { status: "", platform: "", assignee: "" };
    this.limit = PAGE;
    this.tickets = null;
    this.counts = { status: {}, assignee: {} };
    this.more = false;
    this.unfiltered = null;
    this.#build();
  }

  #build() {
    const choose = (name) => (event) => this.#filter({ [name]: event.target.value });
    this.statuses = h("div", { class: "statuses", role: "group", "aria-label": "Which tickets to show" });
    this.platform = h("select", { "aria-label": "From where", onchange: choose("platform") });
    this.assignee = h("select", { "aria-label": "Whose tickets", onchange: choose("assignee") });
    this.items = h("ul", { class: "ticket-list", "aria-label": "Tickets" });
    this.blank = h("div", { class: "blank" });
    this.element = h(
      "div",
      { class: "list-view" },
      h("header", { class: "pane-head" }, h("h2", {}, "Tickets"), this.platform, this.assignee),
      this.statuses,
      h("div", { class: "scroller" }, this.items, this.blank),
    );
  }

  #filter(changed) {
    Object.assign(this.filter, changed);
    this.limit = PAGE;
    this.tickets = null;
    this.render(null);
    this.refresh();
  }

  async read() {
    const filter = { ...this.filter };
    const [page, counts] = await Promise.all([api.list(filter, this.limit), api.counts(filter)]);
    if (Object.keys(filter).some((name) => filter[name] !== this.filter[name])) return;
    this.tickets = page.items;
    this.more = page.next_cursor !== null;
    this.counts = counts;
    this.unfiltered = Object.values(filter).some(Boolean) ? null : page.items;
  }

  render(failure) {
    this.#renderFilters();
    renderList(this.items, this.tickets ?? [], (ticket) => ticket.id, (ticket) => this.#row(ticket));
    replaceAll(this.blank, this.#blankNote(failure));
  }

  #renderFilters() {
    const total = Object.values(this.counts.status).reduce((sum, count) => sum + count, 0);
    const choices = [["", "All", total], ...Object.entries(STATUSES).map(([key, text]) => [key, text, this.counts.status[key] ?? 0])];
    const items = choices.map(([key, text, count]) => ({ key, text, count, on: key === this.filter.status }));
    renderList(this.statuses, items, (one) => one.key, (one) =>
      h("button", { type: "button", class: `status-filter ${one.key ? `status-${one.key}` : ""}`, "aria-pressed": String(one.on),
        "data-focus": "status", onclick: () => this.#filter({ status: one.key }) }, one.text, h("span", { class: "count" }, String(one.count))));
    fillSelect(this.platform, [["", "Slack and Telegram"], ["slack", "Slack"], ["telegram", "Telegram"]], this.filter.platform);
    const people = this.desk.agents.map((agent) => [agent.id, agent.name]);
    fillSelect(this.assignee, [["", "Everybody’s"], ["none", "Nobody’s"], ...people], this.filter.assignee);
  }

  #row(ticket) {
    const from = ticket.requester.name ?? ticket.requester.key;
    const moment = Date.parse(ticket.created_at);
    return h(
      "li",
      {},
      h(
        "button",
        { type: "button", class: "ticket-row", "data-ticket": ticket.id, "data-focus": "ticket", onclick: () => this.open(ticket.id) },
        h("span", { class: "number" }, `#${ticket.number}`),
        h("span", { class: "subject" }, ticket.subject || "(no text)"),
        h("span", { class: `chip status-${ticket.status}` }, STATUSES[ticket.status] ?? ticket.status),
        h("span", { class: "about" }, [from, placeName(ticket), ticket.assignee_name].filter(Boolean).join(" · ")),
        h("time", { datetime: ticket.created_at, title: inFull(moment) }, briefly(moment)),
      ),
    );
  }

  #blankNote(failure) {
    if (failure) {
      return h("div", { class: "empty", role: "alert" }, h("p", {}, failure),
        h("p", { class: "quiet" }, "The chats work on; this pane tries again by itself."),
        h("button", { type: "button", onclick: () => this.refresh() }, "Try again"));
    }
    if (this.tickets === null) return h("p", { class: "empty later" }, "Loading …");
    if (this.more && this.limit < MOST) {
      return h("button", { type: "button", class: "plain earlier", onclick: () => { this.limit = Math.min(MOST, this.limit * 2); this.refresh(); } }, "Show older tickets");
    }
    if (this.more) return h("p", { class: "empty quiet" }, `The newest ${MOST} are shown. Filter to see others.`);
    if (this.tickets.length > 0) return null;
    if (Object.values(this.filter).some(Boolean)) {
      return h("div", { class: "empty" }, h("p", {}, "No ticket is like that."),
        h("button", { type: "button", onclick: () => this.#filter({ status: "", platform: "", assignee: "" }) }, "Show all"));
    }
    return h("div", { class: "empty" }, h("p", {}, "No tickets yet."),
      h("p", { class: "quiet" }, "Write something as a customer in Slack or Telegram, and its ticket appears here."));
  }

  focus(ticket) {
    this.items.querySelector(`[data-ticket="${CSS.escape(ticket ?? "")}"]`)?.focus();
  }
}

export function placeName({ platform, channel }) {
  if (channel === null) return platform;
  if (platform === "slack") return channel.name ? `#${channel.name.replace(/^#/, "")}` : "Slack dialog";
  return channel.name ?? "Telegram dialog";
}
