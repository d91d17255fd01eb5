// The simulated Slack in the words that the chat pane uses: people, places, messages, happenings.

import { call } from "./http.js";
import { described } from "./reactions.js";

const BASE = "/control/slack";
const NOTICES = new Set([
  "channel_join", "channel_leave", "channel_name", "channel_topic", "channel_purpose", "channel_archive",
]);
const DIALOG = "dialog:";

export class SlackChat {
  platform = "slack";
  title = "Slack";
  threads = true;
  groupWord = "channel";

  constructor() {
    this.users = new Map();
    this.channels = [];
    this.bot = null;
  }

  async load() {
    const state = await call("GET", `${BASE}/state`);
    this.users = new Map(state.users.map((user) => [user.id, user]));
    this.channels = state.channels;
    this.bot = state.team.bot_user_id ?? state.users.find((user) => user.is_bot)?.id;
  }

  people() {
    return [...this.users.values()]
      .filter((user) => !user.is_bot && !user.deleted)
      .map((user) => ({ id: user.id, name: nameOf(user), handle: user.name, desk: user.staff }));
  }

  nameOf(id) {
    return id === this.bot ? "Okno" : this.#name(id);
  }

  personKey(person) {
    return `slack:${person}`;
  }

  channelKey(place) {
    return `slack:${place}`;
  }

  /** Where a person may read: public channels, and private ones and dialogs that they are in. */
  places(person) {
    const open = this.channels.filter(
      (channel) => !channel.archived && (channel.type === "public" || channel.members.includes(person)),
    );
    const rooms = open.filter((one) => one.type === "public" || one.type === "private").map((one) => this.#room(one));
    const dialogs = open.filter((one) => one.type === "im" || one.type === "mpim").map((one) => this.#dialog(one, person));
    if (person && !dialogs.some((place) => place.withBot)) {
      dialogs.unshift({ id: DIALOG + person, kind: "dialog", name: "Okno", withBot: true, joined: true, heard: true });
    }
    return [...rooms, ...dialogs];
  }

  #room(channel) {
    return {
      id: channel.id,
      kind: channel.type === "private" ? "private" : "channel",
      name: channel.name,
      topic: channel.topic,
      heard: channel.bot_is_member,
    };
  }

  #dialog(channel, person) {
    const others = channel.members.filter((member) => member !== person);
    return {
      id: channel.id,
      kind: others.length > 1 ? "group" : "dialog",
      name: others.map((member) => (member === this.bot ? "Okno" : this.#name(member))).join(", "),
      withBot: others.length === 1 && others[0] === this.bot,
      heard: channel.bot_is_member,
    };
  }

  #name(user) {
    const known = this.users.get(user);
    return known ? nameOf(known) : user;
  }

  /** The place where a ticket's conversation is shown. */
  placeOfTicket(channel) {
    return channel;
  }

  /** The place itself: a dialog not opened yet is opened. */
  async enter(place) {
    if (!place.startsWith(DIALOG)) return place;
    const { channel } = await call("POST", `${BASE}/dms`, { user: place.slice(DIALOG.length) });
    await this.load();
    return channel.id;
  }

  isVirtual(place) {
    return place.startsWith(DIALOG);
  }

  async messages(place, limit) {
    if (this.isVirtual(place)) return [];
    const { messages } = await call("GET", `${BASE}/channels/${encodeURIComponent(place)}/messages?limit=${limit}`);
    return messages.map((message) => this.#message(message));
  }

  #message(message) {
    const bot = message.user === this.bot;
    return {
      id: message.ts,
      at: Math.round(Number(message.ts) * 1000),
      author: { id: message.user, name: bot ? "Okno" : this.#name(message.user), bot: message.is_bot },
      text: message.plain,
      dialect: "slack",
      edited: Boolean(message.edited),
      deleted: message.deleted,
      root: message.thread_ts && message.thread_ts !== message.ts ? message.thread_ts : null,
      answers: null,
      notice: NOTICES.has(message.subtype),
      pings: message.notifies ?? [],
      files: (message.files ?? []).map((file) => file.name),
      buttons: [],
      reactions: (message.reactions ?? []).map((one) => ({ ...described("slack", one.name), people: one.users })),
    };
  }

  /** What the bot hears of the place, in a sentence, when it isn't everything. */
  deafness(place) {
    return place.heard ? null : "Okno’s bot isn’t in this channel, so nothing said here becomes a ticket.";
  }

  async inviteBot(place, person) {
    await call("POST", `${BASE}/channels/${encodeURIComponent(place)}/join`, { user: this.bot, inviter: person });
  }

  async post(person, place, text, { thread }) {
    const channel = await this.enter(place);
    const mentions = this.#mentions(text);
    const body = { channel, user: person, text, mentions, ...(thread ? { thread_ts: thread } : {}) };
    await call("POST", `${BASE}/messages`, body);
    return channel;
  }

  async edit(place, message, text) {
    await call("PATCH", this.#address(place, message), { text, mentions: this.#mentions(text) });
  }

  async remove(place, message) {
    await call("DELETE", this.#address(place, message));
  }

  async react(person, place, message, name, add) {
    await call(add ? "POST" : "DELETE", `${this.#address(place, message.id)}/reactions`, { user: person, name });
  }

  #address(place, message) {
    return `${BASE}/messages/${encodeURIComponent(place)}/${encodeURIComponent(message)}`;
  }

  #mentions(text) {
    return [...this.users.values()].map((user) => user.name).filter((name) => text.includes(`@${name}`));
  }

  async addPerson({ name, desk }) {
    const { user } = await call("POST", `${BASE}/users`, {
      name: freeHandle(name, this.users),
      real_name: name,
      display_name: name,
      staff: Boolean(desk),
    });
    await this.load();
    return user.id;
  }

  /** A channel; a private one has all people in it, so that each can be tried. */
  async addPlace(person, { name, kind }) {
    const others = this.people().map((one) => one.id).filter((id) => id !== person);
    const { channel } = await call("POST", `${BASE}/channels`, {
      name: name.trim().toLowerCase().replace(/[^\p{L}\p{N}_-]+/gu, "-"),
      type: kind,
      members: [person, ...others],
    });
    await this.load();
    return channel.id;
  }

  placeKinds = [["public", "Public channel"], ["private", "Private channel"]];

  /** Why Okno doesn't hear of what is said, in words; null when all is well. */
  async trouble() {
    const { deliveries } = await call("GET", `${BASE}/deliveries?state=retrying&limit=1`);
    return deliveries.length > 0 ? "Okno isn’t taking Slack’s events. Slack tries again by itself; “make status” says what runs." : null;
  }

  /** A happening as `{what: message|change|gone|world, place, author, message}`; null when nothing is to be shown. */
  interpret(event) {
    switch (event.kind) {
      case "message_posted":
        return { what: "message", place: event.channel, author: event.message.user };
      case "message_deleted":
        return { what: event.tombstone ? "change" : "gone", place: event.channel, message: event.ts };
      case "message_changed":
      case "reaction_added":
      case "reaction_removed":
        return { what: "change", place: event.channel };
      case "event_finished":
      case "subscription_disabled":
        return event.state === "failed" || event.kind === "subscription_disabled"
          ? { what: "undelivered", reason: "Slack gave up delivering an event to Okno: ingest-slack didn’t take it." }
          : null;
      default:
        return { what: "world" };
    }
  }
}

const nameOf = (user) => user.display_name || user.real_name || user.name;

function freeHandle(name, users) {
  const taken = new Set([...users.values()].map((user) => user.name));
  const first = name.trim().split(/\s+/)[0].toLowerCase().replace(/[^\p{L}\p{N}._-]/gu, "") || "person";
  let handle = first;
  for (let number = 2; taken.has(handle); number += 1) handle = `${first}${number}`;
  return handle;
}
