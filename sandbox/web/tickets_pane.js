// The third pane: the list of tickets, or one of them. It follows the pipeline: soon after anything happened in a chat
// it looks several times, otherwise now and then; never two looks at once, and none while the page is hidden.

import { coalesced } from "./dom.js";
import { TicketList } from "./ticket_list.js";
import { TicketView } from "./ticket_view.js";
import * as api from "./tickets_api.js";

const CALM = 2000;
const SOON = [120, 180, 300, 400, 600, 1000];
const KNOWN = 200;
const DESK_STAYS = 10_000;

export class TicketsPane {
  /** `desk`: who is on the desk; `visit(ticket)` shows a ticket's conversation in its chat; `onchange` when tickets changed. */
  constructor(root, { desk, notify, visit, onchange }) {
    Object.assign(this, { root, desk, onchange });
    this.current = null;
    this.byPlace = new Map();
    this.places = "";
    this.failure = null;
    this.list = new TicketList({ desk, open: (id) => this.open(id), refresh: () => this.look() });
    this.view = new TicketView({ desk, notify, visit, back: () => this.close(), refresh: () => this.look() });
    this.root.append(this.list.element, this.view.element);
    this.look = coalesced(() => this.#look());
    this.timer = null;
    this.waits = [];
    this.deskRead = 0;
    this.#show();
  }

  async start() {
    document.addEventListener("visibilitychange", () => document.hidden || this.look());
    await this.#turn();
  }

  async #turn() {
    if (!document.hidden) await this.look();
    this.#sleep();
  }

  #sleep() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#turn(), this.waits.shift() ?? CALM);
  }

  /** Something happened in a chat: its ticket changes within moments. */
  expect() {
    if (this.failure !== null) return;
    const waiting = this.waits.length > 0;
    this.waits = [...SOON];
    if (!waiting) this.#sleep();
  }

  async #look() {
    try {
      await Promise.all([this.#readList(), this.view.read(), this.#readDesk()]);
      this.failure = null;
    } catch (error) {
      this.failure = error.message;
    }
    this.list.render(this.failure);
    this.view.explain(this.failure);
  }

  async #readDesk() {
    if (Date.now() - this.deskRead < DESK_STAYS) return;
    await this.desk.load();
    this.deskRead = Date.now();
    this.onchange();
  }

  async #readList() {
    await this.list.read();
    const known = this.list.unfiltered ?? (await api.list({}, KNOWN)).items;
    const places = new Map();
    for (const ticket of [...known].reverse()) {
      for (const one of ticket.conversations) places.set(one.place_key, { id: ticket.id, number: ticket.number, status: ticket.status });
    }
    const mark = JSON.stringify([...places]);
    if (mark !== this.places) {
      this.places = mark;
      this.byPlace = places;
      this.onchange();
    }
  }

  /** The latest ticket of a place: `{id, number, status}`. */
  of(placeKey) {
    return this.byPlace.get(placeKey) ?? null;
  }

  /** How many tickets wait for the desk, as far as they are loaded. */
  waiting() {
    return [...this.byPlace.values()].filter((one) => one.status === "new" || one.status === "open").length;
  }

  open(id) {
    this.current = id;
    this.root.dispatchEvent(new CustomEvent("opened", { bubbles: true }));
    this.view.show(id, this.list.tickets?.find((ticket) => ticket.id === id) ?? null);
    this.#show();
    return this.look();
  }

  close() {
    const last = this.current;
    this.current = null;
    this.view.show(null, null);
    this.#show();
    this.list.focus(last);
  }

  #show() {
    this.list.element.hidden = this.current !== null;
    this.view.element.hidden = this.current === null;
  }
}
