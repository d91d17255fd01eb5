// The simulated Telegram in the words that the chat pane uses. A forum's topics are places of their own.

import { call } from "./http.js";
import { described } from "./reactions.js";

const BASE = "/control/telegram";
const GENERAL = "general";
const OUTSIDE = new Set(["left", "kicked", undefined]);

export class TelegramChat {
  platform = "telegram";
  title = "Telegram";
  threads = false;
  groupWord = "group";

  constructor() {
    this.users = new Map();
    this.chats = new Map();
    this.bot = null;
  }

  async load() {
    const state = await call("GET", `${BASE}/state`);
    this.users = new Map(state.users.map((user) => [String(user.id), user]));
    this.chats = new Map(state.chats.map((chat) => [String(chat.id), chat]));
    this.bot = state.bots[0];
  }

  people() {
    return [...this.users.values()]
      .filter((user) => !user.deactivated)
      .map((user) => ({ id: String(user.id), name: nameOf(user), handle: user.username, desk: false }));
  }

  nameOf(id) {
    const known = this.users.get(id);
    return known ? nameOf(known) : id === String(this.bot?.id) ? "Okno" : id;
  }

  personKey(person) {
    return `telegram:${person}`;
  }

  channelKey(place) {
    return `telegram:${this.bot?.id}:${split(place).chat}`;
  }

  /** The dialog with the bot (begun or not), the groups that the person is in, each topic of a forum. */
  places(person) {
    if (!person) return [];
    const dialog = { id: person, kind: "dialog", name: this.bot?.first_name ?? "Bot", withBot: true, heard: true };
    const groups = [...this.chats.values()].filter(
      (chat) => chat.type !== "private" && chat.migrated_to === null && !OUTSIDE.has(chat.members[person]),
    );
    return [dialog, ...groups.flatMap((chat) => this.#group(chat))];
  }

  #group(chat) {
    const heard = chat.bot_status === "administrator";
    const group = { kind: "group", name: chat.title, heard, present: !OUTSIDE.has(chat.bot_status) };
    if (!chat.is_forum) return [{ ...group, id: String(chat.id) }];
    const topics = chat.topics.filter((topic) => !topic.closed);
    return [
      { ...group, id: `${chat.id}/${GENERAL}`, name: `${chat.title}: General` },
      ...topics.map((topic) => ({ ...group, id: `${chat.id}/${topic.id}`, name: `${chat.title}: ${topic.name}` })),
    ];
  }

  /** See SlackChat.placeOfTicket. */
  placeOfTicket(channel, conversation) {
    if (!this.chats.get(channel)?.is_forum) return channel;
    return `${channel}/${conversation.thread ?? GENERAL}`;
  }

  async enter(place) {
    return place;
  }

  isVirtual(place) {
    return !this.chats.has(split(place).chat);
  }

  async messages(place, limit) {
    const { chat, topic } = split(place);
    if (this.isVirtual(place)) return [];
    const { last_message: last } = await call("GET", `${BASE}/chats/${chat}`);
    const after = Math.max(0, (last?.message_id ?? 0) - limit);
    const only = topic && topic !== GENERAL ? `&topic=${topic}` : "";
    const path = `${BASE}/chats/${chat}/messages?include_deleted=1&after=${after}${only}`;
    const { messages } = await call("GET", path);
    const here = topic === GENERAL ? messages.filter((message) => message.thread_id === null) : messages;
    const byId = new Map(here.map((message) => [message.message_id, message]));
    return here.map((message) => message_(message, byId.get(message.reply_to)));
  }

  deafness(place) {
    if (place.heard) return null;
    return place.present
      ? "The bot is a plain member here: by Telegram’s privacy mode it hears only commands and answers to itself."
      : "Okno’s bot isn’t in this group, so nothing said here becomes a ticket.";
  }

  async inviteBot(place) {
    await call("POST", `${BASE}/chats/${split(place).chat}/members`, { user_id: this.bot.id, status: "administrator" });
  }

  async post(person, place, text, { thread }) {
    const { chat, topic } = split(place);
    await call("POST", `${BASE}/messages`, {
      user_id: Number(person),
      chat_id: Number(chat),
      text,
      ...(thread ? { reply_to: Number(thread) } : {}),
      ...(topic && topic !== GENERAL ? { topic: Number(topic) } : {}),
    });
    if (this.isVirtual(place)) await this.load();
    return place;
  }

  async edit(place, message, text) {
    await call("PATCH", `${BASE}/chats/${split(place).chat}/messages/${message}`, { text });
  }

  async remove(place, message) {
    await call("DELETE", `${BASE}/chats/${split(place).chat}/messages/${message}`);
    return "Telegram tells no bot of a deletion, so the ticket keeps this message.";
  }

  async react(person, place, message, name, add) {
    const mine = message.reactions.filter((one) => one.people.includes(person)).map((one) => one.name);
    const emoji = add ? [...mine, name] : mine.filter((one) => one !== name);
    const path = `${BASE}/chats/${split(place).chat}/messages/${message.id}/reactions`;
    await call("PUT", path, { user_id: Number(person), emoji });
  }

  async press(person, place, message, data) {
    const path = `${BASE}/chats/${split(place).chat}/messages/${message.id}/press`;
    await call("POST", path, { user_id: Number(person), data });
  }

  async addPerson({ name }) {
    const [first, ...rest] = name.trim().split(/\s+/);
    const last = rest.join(" ");
    const body = { first_name: first, ...(last ? { last_name: last } : {}) };
    const { user_id: id } = await call("POST", `${BASE}/users`, body);
    await this.load();
    return String(id);
  }

  /** A group of everybody, the bot an administrator, so that it hears all of it. */
  async addPlace(person, { name, kind }) {
    const others = this.people().map((one) => Number(one.id)).filter((id) => id !== Number(person));
    const { chat_id: id } = await call("POST", `${BASE}/chats`, {
      type: "supergroup",
      user_id: Number(person),
      title: name.trim(),
      is_forum: kind === "forum",
      members: others,
      bot_status: "administrator",
    });
    if (kind === "forum") {
      await call("POST", `${BASE}/chats/${id}/topics`, { user_id: Number(person), name: "Questions" });
    }
    await this.load();
    return kind === "forum" ? `${id}/${GENERAL}` : String(id);
  }

  placeKinds = [["group", "Group"], ["forum", "Forum with topics"]];

  /** See SlackChat.trouble. */
  async trouble() {
    const { pending, webhook } = await call("GET", `${BASE}/webhook`);
    if (pending === 0 || webhook === null) return null;
    const { deliveries } = await call("GET", `${BASE}/deliveries?limit=1`);
    const last = deliveries.at(-1);
    if (!last || (last.error === null && last.status < 300)) return null;
    return "Okno isn’t taking Telegram’s updates. Telegram tries again by itself; “make status” says what runs.";
  }

  /** See SlackChat.interpret. */
  interpret(event) {
    const place = event.chat_id === undefined ? null : this.#placeOf(event.chat_id, event.message);
    switch (event.event) {
      case "message":
        return event.message.service
          ? { what: "world", place }
          : { what: "message", place, author: String(event.message.from.id) };
      case "edit":
      case "delete":
      case "reaction":
        return { what: "change", place };
      case "user":
      case "chat":
      case "member":
        return { what: "world" };
      case "callback_answer":
        return event.text ? { what: "said", text: event.text } : null;
      default:
        return null;
    }
  }

  #placeOf(chat, message) {
    if (!this.chats.get(String(chat))?.is_forum) return String(chat);
    return `${chat}/${message?.thread_id ?? GENERAL}`;
  }
}

function split(place) {
  const [chat, topic] = place.split("/");
  return { chat, topic };
}

const nameOf = (user) => [user.first_name, user.last_name].filter(Boolean).join(" ");

function message_(message, answered) {
  const reactions = new Map();
  for (const [person, emoji] of Object.entries(message.reactions)) {
    for (const name of emoji) reactions.set(name, [...(reactions.get(name) ?? []), person]);
  }
  return {
    id: String(message.message_id),
    at: message.date * 1000,
    author: { id: String(message.from.id), name: message.from.name, bot: message.from.is_bot },
    text: message.service ? serviceText(message) : (message.text ?? ""),
    dialect: "telegram",
    entities: message.entities,
    edited: message.edit_date !== null,
    deleted: message.deleted,
    root: null,
    answers: message.reply_to
      ? { id: String(message.reply_to), name: answered?.from.name ?? "", text: answered?.text ?? "" }
      : null,
    notice: message.service,
    pings: [],
    files: attached(message.content ?? {}),
    buttons: message.buttons,
    reactions: [...reactions].map(([name, people]) => ({ ...described("telegram", name), people })),
  };
}

function attached(content) {
  return [
    ...(content.document ? [content.document.file_name ?? "file"] : []),
    ...(content.photo ? ["photo"] : []),
    ...(content.contact ? [`contact: ${content.contact.first_name}`] : []),
    ...(content.location ? ["location"] : []),
  ];
}

function serviceText({ from, content = {} }) {
  if (content.new_chat_members) return `${content.new_chat_members.map(nameOf).join(", ")} joined`;
  if (content.left_chat_member) return `${nameOf(content.left_chat_member)} left`;
  if (content.forum_topic_created) return `${from.name} opened the topic “${content.forum_topic_created.name}”`;
  if (content.forum_topic_closed) return "The topic was closed";
  if (content.group_chat_created || content.supergroup_chat_created) return `${from.name} made the group`;
  if (content.migrate_from_chat_id) return "The group was upgraded to a supergroup";
  return `${from.name}: ${Object.keys(content)[0]?.replaceAll("_", " ") ?? "changed the chat"}`;
}
