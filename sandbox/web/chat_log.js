// The messages of a place as rows: days, messages, and in Slack the replies under their root.

import { h } from "./dom.js";
import { icon, reactionSign } from "./icons.js";
import { palette } from "./reactions.js";
import { rich, withEntities } from "./richtext.js";
import { atClock, dayName, inFull, startOfDay } from "./times.js";

const TOGETHER = 5 * 60_000;
const REPLIES_SHOWN = 5;

/**
 * Rows for `renderList`. `view`: `{messages, person, editing, reacting, answering, expanded, ticketOf, names}`.
 * Replies whose root is not loaded stand at their own time.
 */
export function rows(view) {
  const known = new Set(view.messages.map((message) => message.id));
  const replies = groupByRoot(view.messages.filter((one) => known.has(one.root)));
  const found = [];
  let before = null;
  let day = null;
  for (const message of view.messages.filter((one) => !known.has(one.root))) {
    if (day !== startOfDay(message.at)) {
      day = startOfDay(message.at);
      before = null;
      found.push({ kind: "day", key: `day ${day}`, text: dayName(message.at) });
    }
    found.push(row(message, before, view, message.root !== null));
    before = message;
    const answers = replies.get(message.id) ?? [];
    if (answers.length > 0) before = null;
    const hidden = view.expanded.has(message.id) ? 0 : Math.max(0, answers.length - REPLIES_SHOWN);
    if (hidden > 1) found.push({ kind: "more", key: `more ${message.id}`, root: message.id, count: hidden });
    let previous = null;
    for (const answer of answers.slice(hidden > 1 ? hidden : 0)) {
      found.push(row(answer, previous, view, true));
      previous = answer;
    }
  }
  return found;
}

function groupByRoot(messages) {
  const groups = new Map();
  for (const message of messages) {
    if (!groups.has(message.root)) groups.set(message.root, []);
    groups.get(message.root).push(message);
  }
  return groups;
}

function row(message, before, view, reply) {
  const together =
    before !== null && before.author.id === message.author.id && message.at - before.at < TOGETHER &&
    !before.notice && !before.deleted && !message.answers;
  return {
    kind: message.notice ? "notice" : "message",
    key: message.id,
    message: { ...message, reactions: message.reactions.map((one) => ({ ...one, names: one.people.map(view.names) })) },
    reply,
    together,
    mine: message.author.id === view.person,
    pinged: message.pings.includes(view.person),
    editing: view.editing === message.id,
    reacting: view.reacting === message.id,
    answering: view.answering === message.id,
    ticket: reply ? null : view.ticketOf(message),
  };
}

/** The node of a row. `act` has what a person can do: react, answer, edit, save, cancel, remove, press, expand, open. */
export function rowNode(row, chat, act) {
  if (row.kind === "day") return h("li", { class: "day" }, h("span", {}, row.text));
  if (row.kind === "more") {
    const label = `Show ${row.count} earlier replies`;
    return h("li", { class: "more" }, h("button", { type: "button", class: "plain", onclick: () => act.expand(row.root) }, label));
  }
  if (row.kind === "notice") return h("li", { class: "notice" }, row.message.text);
  return messageNode(row, chat, act);
}

function messageNode(row, chat, act) {
  const { message } = row;
  const classes = ["message", row.reply && "reply", row.together && "together", row.mine && "mine", row.pinged && "pinged",
    message.author.bot && "bot", message.deleted && "deleted", row.answering && "answering"];
  const name = h("span", { class: "author" }, message.author.name, message.author.bot ? h("span", { class: "tag" }, "bot") : null);
  const time = h("time", { datetime: new Date(message.at).toISOString(), title: inFull(message.at) }, atClock(message.at));
  return h(
    "li",
    { class: classes.filter(Boolean).join(" "), "data-message": message.id, tabindex: "-1" },
    h("div", { class: "line" }, row.together ? h("span", { class: "sr" }, message.author.name) : name, time, ticketChip(row, act)),
    message.answers && !message.deleted ? quote(message.answers) : null,
    row.editing && !message.deleted ? editor(message, act) : body(message, chat.platform),
    reactionsNode(row, act),
    message.deleted || row.editing ? null : tools(row, chat, act),
  );
}

function ticketChip({ ticket }, act) {
  if (!ticket) return null;
  return h("button", { type: "button", class: `chip status-${ticket.status}`, "data-focus": "ticket",
    title: `Open ticket ${ticket.number}`, onclick: () => act.open(ticket.id) }, `#${ticket.number}`);
}

const quote = (answers) =>
  h("div", { class: "quote" }, h("b", {}, answers.name), answers.name ? " " : "", answers.text.slice(0, 120) || "an earlier message");

function body(message, platform) {
  if (message.deleted) {
    const text = platform === "telegram" && message.text ? h("s", {}, message.text) : null;
    return h("div", { class: "text" }, text, text ? " " : null, h("span", { class: "mark" }, "deleted"));
  }
  const content =
    message.dialect === "telegram" ? withEntities(message.text, message.entities ?? []) : rich(message.text, message.dialect);
  return h(
    "div",
    { class: "text" },
    content,
    message.edited ? [" ", h("span", { class: "mark" }, "edited")] : null,
    message.files.map((file) => h("div", { class: "file" }, file)),
  );
}

function editor(message, act) {
  const area = h("textarea", { rows: 2, "aria-label": "Edit the message", "data-focus": "editor", value: message.text,
    onkeydown: (event) => {
      if (event.isComposing) return;
      if (event.key === "Enter" && !event.shiftKey) {
        event.preventDefault();
        act.save(message, area.value);
      } else if (event.key === "Escape") {
        event.preventDefault();
        act.cancel();
      }
    } });
  return h(
    "div",
    { class: "editor" },
    area,
    h("div", { class: "row" },
      h("button", { type: "button", class: "main", onclick: () => act.save(message, area.value) }, "Save"),
      h("button", { type: "button", onclick: () => act.cancel() }, "Cancel")),
  );
}

function reactionsNode({ message, reacting, mine }, act) {
  const buttons = message.buttons.map((line) =>
    h("div", { class: "row" }, line.map((button) =>
      h("button", { type: "button", class: "inline-button", onclick: () => act.press(message, button) }, button.text))),
  );
  const given = message.reactions.map((one) =>
    h("button", { type: "button", class: "reaction", "aria-pressed": String(one.people.includes(act.person())),
      "aria-label": `${one.label}, ${one.people.length}: ${one.names.join(", ")}`, title: `${one.label}: ${one.names.join(", ")}`,
      "data-focus": `reaction ${one.name}`, onclick: () => act.react(message, one.name) },
    reactionSign(one), h("span", {}, String(one.people.length))),
  );
  if (message.deleted) return null;
  return [
    buttons,
    given.length ? h("div", { class: "reactions" }, given) : null,
    reacting ? h("div", { class: "palette", role: "group", "aria-label": "Choose a reaction" }, palette(act.platform).map((one) =>
      h("button", { type: "button", "aria-label": `React with ${one.label}`, title: one.label, "data-focus": `choose ${one.name}`,
        onclick: () => act.react(message, one.name) }, reactionSign(one)))) : null,
  ];
}

function tools({ message, mine, reply }, chat, act) {
  const answer = chat.threads ? "Reply in thread" : "Reply";
  const tool = (label, sign, onclick) =>
    h("button", { type: "button", "aria-label": label, title: label, "data-focus": label, onclick }, icon(sign));
  return h(
    "div",
    { class: "tools", role: "group", "aria-label": "What you can do with this message" },
    tool("React", "react", () => act.choose(message)),
    tool(answer, chat.threads ? "thread" : "reply", () => act.answer(message)),
    mine ? tool("Edit", "edit", () => act.edit(message)) : null,
    mine ? tool("Delete", "remove", () => act.remove(message)) : null,
  );
}
