// A message in a ticket: who wrote it where, what became of it, and for a reply the fate of its delivery.

import { h } from "./dom.js";
import { icon, reactionSign } from "./icons.js";
import { described } from "./reactions.js";
import { rich } from "./richtext.js";
import { atClock, inFull } from "./times.js";
import { deliveryText } from "./words.js";

const KINDS = { note: "note for the desk", automatic: "automatic answer", context: "from before the ticket" };

/** `item`: `{message, editing}`; `act`: edit, cancel, save, remove, decide. */
export function messageNode({ message, editing }, act) {
  const moment = Date.parse(message.created_at);
  const kind = KINDS[message.context ? "context" : message.kind] ?? (byDeskInChat(message) ? "written in the chat" : null);
  const classes = ["message", `by-${message.author.kind}`, message.internal && "note", message.deleted_at && "deleted"];
  return h(
    "li",
    { class: classes.filter(Boolean).join(" "), "data-message": message.id },
    h("div", { class: "line" },
      h("span", { class: "author" }, message.author.name ?? message.author.key ?? "Okno", h("span", { class: "tag" }, message.author.kind)),
      kind ? h("span", { class: "quiet" }, kind) : null,
      h("time", { datetime: message.created_at, title: inFull(moment) }, atClock(moment))),
    editing ? editor(message, act) : text(message),
    revisions(message),
    reactions(message, act),
    message.delivery ? delivery(message, act) : null,
    message.kind === "reply" && !message.deleted_at && !editing ? tools(message, act) : null,
  );
}

const byDeskInChat = (message) => message.kind === "chat" && message.author.kind === "agent";

function text(message) {
  const content = message.kind === "chat" ? rich(message.text, message.author.kind === "customer" ? "plain" : "markdown") : rich(message.text, "markdown");
  const files = message.attachments.map((file) => h("div", { class: "file" }, file.name ?? file.file_name ?? "a file"));
  const mark = message.deleted_at ? "deleted" : message.edited_at ? "edited" : null;
  return h("div", { class: "text" }, message.deleted_at ? h("s", {}, content) : content, mark ? [" ", h("span", { class: "mark" }, mark)] : null, files);
}

function revisions(message) {
  if (message.revisions.length === 0) return null;
  const count = message.revisions.length;
  return h(
    "details",
    { class: "revisions" },
    h("summary", {}, count === 1 ? "1 former text" : `${count} former texts`),
    h("ol", {}, message.revisions.map((one) => h("li", {}, one.text))),
  );
}

function reactions(message) {
  if (message.reactions.length === 0) return null;
  const platform = message.source?.platform ?? "slack";
  const groups = new Map();
  for (const one of message.reactions) groups.set(one.name, (groups.get(one.name) ?? 0) + 1);
  return h("div", { class: "reactions" }, [...groups].map(([name, count]) => {
    const one = described(platform, name);
    return h("span", { class: "reaction", title: one.label, role: "img", "aria-label": `${one.label}, ${count}` }, reactionSign(one), h("span", {}, String(count)));
  }));
}

function delivery(message, act) {
  const { state, operation, operation_state: latest, error } = message.delivery;
  const choices = {
    queued: [["cancel", "Don’t send it"]],
    unknown: [["confirm", "It arrived"], ["resend", "Send again"]],
    failed: [["resend", "Send again"]],
  }[state] ?? [];
  return h(
    "div",
    { class: `delivery delivery-${operation === "post" ? state : latest}` },
    h("span", { class: "state" }, deliveryText(message.delivery)),
    error && latest !== "sent" ? h("span", { class: "why" }, error) : null,
    choices.map(([what, label]) => h("button", { type: "button", "data-focus": what, onclick: () => act.decide(message, what) }, label)),
  );
}

function editor(message, act) {
  const area = h("textarea", { rows: 3, "aria-label": "Edit the reply", "data-focus": "editor", value: message.text,
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
  return h("div", { class: "editor" }, area, h("div", { class: "row" },
    h("button", { type: "button", class: "main", onclick: () => act.save(message, area.value) }, "Save"),
    h("button", { type: "button", onclick: () => act.cancel() }, "Cancel")));
}

function tools(message, act) {
  const tool = (label, sign, onclick) =>
    h("button", { type: "button", "aria-label": label, title: label, "data-focus": label, onclick }, icon(sign));
  return h("div", { class: "tools", role: "group", "aria-label": "What you can do with this reply" },
    tool("Edit the reply", "edit", () => act.edit(message)), tool("Delete the reply", "remove", () => act.remove(message)));
}
