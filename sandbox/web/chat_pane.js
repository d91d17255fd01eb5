// One simulated platform: who you are, where you are, what is said there, and what you do.
// What the pane shows is always read from the platform after a happening, never guessed.

import { ChatFrame } from "./chat_frame.js";
import { ask } from "./dialogs.js";
import { coalesced } from "./dom.js";
import { deletedHere } from "./gone.js";
import { recall, remember } from "./memory.js";

const PAGE = 200;
const NEWS = 3;
const ROLES = [
  ["", "A customer"], ["agent", "On the desk: agent"], ["mentor", "On the desk: mentor"],
  ["coordinator", "On the desk: coordinator"], ["lead", "On the desk: lead"],
];

export class ChatPane {
  /** `chat`: SlackChat or TelegramChat; `desk`: who is on the desk; `tickets`: what the third pane knows. */
  constructor(root, chat, { desk, tickets, notify, onunread }) {
    Object.assign(this, { chat, desk, tickets, notify, onunread });
    this.person = null;
    this.place = null;
    this.messages = null;
    this.limit = PAGE;
    this.thread = null;
    this.editing = null;
    this.reacting = null;
    this.failure = null;
    this.trouble = null;
    this.awaited = false;
    this.expanded = new Set();
    this.unread = new Map();
    this.drafts = new Map();
    this.gone = deletedHere();
    this.readWorld = coalesced(() => this.#readWorld());
    this.readMessages = coalesced(() => this.#readMessages());
    this.frame = new ChatFrame(root, chat, this.#actions());
    this.composer = this.frame.composer;
    this.render();
  }

  // --- reading -------------------------------------------------------------------------------------------------

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
    this.#entered((places.find((one) => one.id === last) ?? places[0])?.id ?? null);
  }

  async #readMessages() {
    const place = this.place;
    if (place === null) return;
    const before = this.messages;
    let found = before;
    try {
      found = await this.chat.messages(place, this.limit);
      this.failure = null;
    } catch (error) {
      this.failure = error.message;
    }
    if (place !== this.place) return;
    const stick = before === null || this.frame.atBottom();
    this.messages = found;
    if (found) this.gone.remember(place, found);
    this.render();
    if (stick) this.frame.toBottom();
    // At the bottom, only a reply in an older thread is out of sight; the rest has just been scrolled past.
    const missed = this.#news(before, found).filter((one) => one.author.id !== this.person && (!stick || one.root !== null));
    this.frame.announce(missed);
  }

  /** Messages that were said since the last reading. */
  #news(before, found) {
    if (before === null || found === null) return [];
    const known = new Set(before.map((message) => message.id));
    const latest = before.at(-1)?.at ?? 0;
    return found.filter((one) => !known.has(one.id) && !one.notice && one.at >= latest);
  }

  refresh() {
    return this.readWorld().then(() => this.readMessages());
  }

  /** Be the first customer in the first place, after the first people came. */
  async settle() {
    this.person = null;
    this.place = null;
    await this.refresh();
  }

  /** A happening of the live stream. */
  happened(event) {
    const seen = this.chat.interpret(event);
    if (seen === null) return;
    if (seen.what === "undelivered") this.notify(seen.reason, "undelivered");
    if (seen.what === "said") this.notify(seen.text);
    if (seen.what === "gone") this.gone.add(seen.place, seen.message);
    if (seen.what === "message" && (seen.place !== this.place || !this.frame.inSight())) this.#unseen(seen);
    const begun = seen.place === this.place && this.place !== null && this.chat.isVirtual(this.place);
    if (seen.what === "world" || begun) this.refresh();
    else if (seen.place === this.place) this.readMessages();
  }

  #unseen({ place, author }) {
    if (!this.chat.places(this.person).some((one) => one.id === place)) this.readWorld();
    if (author === this.person) return;
    this.unread.set(place, (this.unread.get(place) ?? 0) + 1);
    this.renderSoon();
  }

  /** Once for all that happens until the next frame: a replay brings hundreds of messages a second. */
  renderSoon() {
    if (this.awaited) return;
    this.awaited = true;
    requestAnimationFrame(() => {
      this.awaited = false;
      this.render();
      this.onunread();
    });
  }

  /** Whether Okno hears of what is said here. */
  async readTrouble() {
    const before = this.trouble;
    this.trouble = await this.chat.trouble().catch(() => before);
    if (this.trouble !== before) this.render();
  }

  unreadTotal() {
    return [...this.unread.values()].reduce((sum, count) => sum + count, 0);
  }

  /** The pane came into sight in a narrow window. */
  looked() {
    this.unread.delete(this.place);
    this.render();
    this.onunread();
    this.frame.toBottom();
  }

  // --- who and where -------------------------------------------------------------------------------------------

  become(person) {
    this.person = person;
    remember(`${this.chat.platform}.person`, person);
    Object.assign(this, { thread: null, editing: null, reacting: null });
    this.#keepPlace();
    this.render();
  }

  async go(place, thread = null) {
    try {
      const id = await this.chat.enter(place);
      if (id !== this.place) {
        this.#entered(id);
        remember(`${this.chat.platform}.place`, id);
      }
    } catch (error) {
      this.notify(error.message);
    }
    this.#change({ thread });
    await this.readMessages();
  }

  /** Each place keeps what was typed in it. */
  #entered(place) {
    if (this.place !== null) this.drafts.set(this.place, this.composer.text);
    const fresh = { messages: null, limit: PAGE, thread: null, editing: null, reacting: null };
    Object.assign(this, { place, ...fresh });
    this.unread.delete(place);
    this.composer.text = this.drafts.get(place) ?? "";
    this.composer.explain(null);
    this.onunread();
    this.frame.hideJump();
    if (place !== null) this.readMessages();
  }

  /** Show a ticket's conversation as its requester: from the third pane. */
  async visit(person, place, message) {
    if (this.chat.people().some((one) => one.id === person) && person !== this.person) this.become(person);
    await this.go(place, this.chat.threads ? message : null);
    this.frame.pointAt(message);
    this.composer.focus();
  }

  async #newPerson() {
    const id = await ask({
      title: `New person in ${this.chat.title}`,
      fields: [
        { name: "name", label: "Name" },
        { name: "role", label: "Who is it?", options: ROLES, hint: "What the desk’s people write in a thread goes into the ticket as an answer." },
      ],
      action: "Add",
      submit: async ({ name, role }) => {
        const person = await this.chat.addPerson({ name: name.trim(), desk: role });
        if (role) await this.desk.add(name.trim(), role, this.chat.personKey(person));
        await this.readWorld();
        this.become(person);
        return person;
      },
    });
    if (id !== null) this.composer.focus();
  }

  async #newPlace() {
    const place = await ask({
      title: `New ${this.chat.groupWord} in ${this.chat.title}`,
      fields: [{ name: "name", label: "Name" }, { name: "kind", label: "Kind", options: this.chat.placeKinds }],
      action: "Create",
      submit: async (values) => {
        const made = await this.chat.addPlace(this.person, values);
        await this.readWorld();
        await this.go(made);
        return made;
      },
    });
    if (place !== null) this.composer.focus();
  }

  // --- what a person does --------------------------------------------------------------------------------------

  #actions() {
    const { chat } = this;
    return {
      platform: chat.platform,
      person: () => this.person,
      become: (person) => this.become(person),
      visit: (person, place) => this.visit(person, place, null),
      enter: (place) => this.go(place).then(() => this.composer.focus()),
      newPerson: () => this.#newPerson(),
      newPlace: () => this.#newPlace(),
      inviteBot: () => this.#try(async () => {
        await chat.inviteBot(this.place, this.person);
        await this.readWorld();
      }),
      again: () => this.refresh(),
      earlier: () => {
        this.limit += PAGE;
        this.readMessages();
      },
      expand: (root) => {
        this.expanded.add(root);
        this.render();
      },
      open: (ticket) => this.tickets.open(ticket),
      send: (text) => this.#send(text),
      leaveThread: () => this.#change({ thread: null }),
      editLast: () => this.#editLast(),
      ...this.#messageActions(chat),
    };
  }

  #messageActions(chat) {
    return {
      choose: (message) => {
        this.#change({ reacting: this.reacting === message.id ? null : message.id });
        this.frame.focusPalette();
      },
      react: (message, name) => this.#try(() => {
        this.reacting = null;
        const mine = message.reactions.find((one) => one.name === name)?.people.includes(this.person);
        return chat.react(this.person, this.place, message, name, !mine);
      }),
      answer: (message) => {
        this.#change({ thread: message.root ?? message.id });
        this.composer.focus();
      },
      edit: (message) => this.#edit(message.id),
      save: (message, text) => this.#try(async () => {
        if (text.trim() && text !== message.text) await chat.edit(this.place, message.id, text);
        this.editing = null;
        this.composer.focus();
      }),
      cancel: () => {
        this.#change({ editing: null });
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

  async #send(text) {
    const from = this.place;
    const place = await this.chat.post(this.person, from, text, { thread: this.thread });
    this.drafts.delete(from);
    if (this.place !== from) return; // somebody went elsewhere meanwhile
    this.composer.text = "";
    if (!this.chat.threads) this.thread = null;
    if (place !== from) Object.assign(this, { place, messages: null });
    await this.readMessages();
    if (this.thread === null) this.frame.toBottom();
  }

  async #try(work) {
    try {
      const remark = await work();
      if (remark) this.notify(remark);
      this.render();
      await this.readMessages();
    } catch (error) {
      this.notify(error.message);
    }
  }

  #change(state) {
    Object.assign(this, state);
    this.render();
  }

  #edit(message) {
    this.#change({ editing: message });
    this.frame.focusEditor();
  }

  #editLast() {
    const mine = (this.messages ?? []).filter((one) => one.author.id === this.person && !one.deleted && !one.notice);
    if (mine.length === 0) return false;
    this.#edit(mine.at(-1).id);
    return true;
  }

  // --- showing -------------------------------------------------------------------------------------------------

  #onDesk(person) {
    return person.desk || this.desk.has(this.chat.personKey(person.id));
  }

  /** People with something new in a dialog that you, as somebody else, don't see. */
  #newsOfOthers(people) {
    if (this.unread.size === 0) return [];
    return people.filter((person) => person.id !== this.person).flatMap(({ id, name }) => {
      const place = this.chat.places(id).find((one) => one.kind === "dialog" && this.unread.has(one.id));
      return place ? [{ id, name, place: place.id }] : [];
    });
  }

  render() {
    const { chat, frame } = this;
    const people = distinct(chat.people());
    const places = chat.places(this.person);
    const place = places.find((one) => one.id === this.place);
    const dialog = place?.kind === "dialog";
    const channelKey = place ? chat.channelKey(place.id) : "";
    frame.showPeople(people.filter((one) => !this.#onDesk(one)), people.filter((one) => this.#onDesk(one)), this.person);
    frame.showPlaces(places.map((one) => ({ ...one, here: one === place, unread: this.unread.get(one.id) ?? 0 })));
    frame.showNote({
      trouble: this.trouble,
      deafness: place ? chat.deafness(place) : null,
      ticket: dialog ? this.tickets.of(channelKey) : null,
      news: this.#newsOfOthers(people).slice(0, NEWS),
    });
    frame.showMessages({
      messages: this.gone.with(this.place, this.messages ?? []),
      person: this.person,
      editing: this.editing,
      reacting: this.reacting,
      answering: this.thread,
      expanded: this.expanded,
      names: (id) => chat.nameOf(id),
      ticketOf: (message) => (dialog ? null : this.tickets.of(`${channelKey}/${message.id}`)),
    });
    frame.showBlank({
      failure: this.failure,
      nobody: this.person === null,
      loading: this.messages === null && !(place && chat.isVirtual(place.id)),
      earlier: (this.messages?.length ?? 0) >= this.limit,
      silent: (this.messages?.length ?? 0) === 0,
    });
    const root = this.thread === null ? null : this.messages?.find((one) => one.id === this.thread);
    frame.showComposer(place, root, Boolean(place && this.person));
  }
}

/** People of the same name are told apart by their handle. */
function distinct(people) {
  const times = new Map();
  for (const { name } of people) times.set(name, (times.get(name) ?? 0) + 1);
  return people.map((one) => (times.get(one.name) > 1 ? { ...one, name: `${one.name} (${one.handle ?? one.id})` } : one));
}
