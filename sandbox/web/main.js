// Puts the page together: two chats, the tickets, and the stream of happenings between them.

import { assemble, isEmpty } from "./cast.js";
import { ChatPane } from "./chat_pane.js";
import { Desk } from "./desk.js";
import { tell } from "./dialogs.js";
import { h } from "./dom.js";
import { Live } from "./live.js";
import { recall, remember } from "./memory.js";
import { SlackChat } from "./slack_chat.js";
import { TelegramChat } from "./telegram_chat.js";
import { TicketsPane } from "./tickets_pane.js";

const TROUBLE_AGAIN = 5000;
const NOTICE_LASTS = 9000;
const byId = (id) => document.getElementById(id);

const desk = new Desk();
const shared = {
  desk,
  notify,
  onunread: badges,
  tickets: {
    of: (placeKey) => tickets?.of(placeKey) ?? null,
    open: (id) => tickets.open(id),
  },
};
let tickets = null;
const slack = new ChatPane(byId("slack"), new SlackChat(), shared);
const telegram = new ChatPane(byId("telegram"), new TelegramChat(), shared);
tickets = new TicketsPane(byId("tickets"), {
  desk,
  notify,
  visit,
  onchange: () => {
    slack.render();
    telegram.render();
    badges();
  },
});

const live = new Live({
  onHappening(event) {
    (event.platform === "slack" ? slack : telegram).happened(event);
    tickets.expect();
  },
  onState(connected) {
    byId("live").textContent = connected ? "Live" : "Reconnecting …";
    byId("live").classList.toggle("off", !connected);
    if (connected) begin();
  },
});

/** Read everything; on the first opening of an empty sandbox make the first people. */
async function begin() {
  await Promise.all([slack.refresh(), telegram.refresh()]);
  const unreadable = slack.failure ?? telegram.failure;
  if (unreadable === null && isEmpty(slack.chat, telegram.chat)) await people();
}

async function people() {
  try {
    await assemble(slack.chat, telegram.chat, desk);
  } catch (error) {
    notify(`The first people are not all here: ${error.message}`, "cast");
  }
  await Promise.all([slack.settle(), telegram.settle()]);
}

/** Show where a ticket's customer wrote. */
function visit(ticket) {
  const conversation = ticket.conversations.at(-1);
  if (!conversation) return;
  const pane = conversation.platform === "slack" ? slack : telegram;
  const person = ticket.requester.key.split(":")[1];
  const [, thread] = conversation.place_key.split("/");
  const channel = conversation.channel_key.split(":").at(-1);
  turnTo(conversation.platform);
  pane.visit(person, pane.chat.placeOfTicket(channel, conversation), pane.chat.threads || !conversation.thread ? (thread ?? null) : null);
}

// --- the page around the panes --------------------------------------------------------------------------------

/** Say something that matters now. Notices of one kind replace each other. */
function notify(text, kind = text) {
  const old = [...byId("notices").children].find((one) => one.dataset.kind === kind);
  const notice = h("div", { class: "notice-card", "data-kind": kind }, h("span", {}, text),
    h("button", { type: "button", class: "plain", "aria-label": "Dismiss", onclick: () => notice.remove() }, "OK"));
  if (old) old.replaceWith(notice);
  else byId("notices").append(notice);
  setTimeout(() => notice.remove(), NOTICE_LASTS);
}

function badges() {
  const counts = { slack: slack?.unreadTotal?.() ?? 0, telegram: telegram?.unreadTotal?.() ?? 0, tickets: tickets?.waiting() ?? 0 };
  for (const button of document.querySelectorAll(".pane-tabs button")) {
    const badge = button.querySelector(".badge");
    badge.textContent = String(counts[button.dataset.pane]);
    badge.hidden = counts[button.dataset.pane] === 0;
  }
}

function turnTo(pane) {
  document.body.dataset.pane = pane;
  remember("pane", pane);
  for (const button of document.querySelectorAll(".pane-tabs button")) {
    button.setAttribute("aria-pressed", String(button.dataset.pane === pane));
  }
  if (pane === "slack") slack.looked();
  if (pane === "telegram") telegram.looked();
}

function help() {
  const steps = [
    "In Slack or Telegram, choose who you are and write something: a ticket appears on the right within a moment.",
    "Write again in the same thread or dialog: it goes into the same ticket.",
    "Open the ticket and reply. The answer appears in the chat, and the ticket says when it was delivered.",
    "In a Slack ticket press @Boris Hale before you reply: he is mentioned in the thread. Become him, answer there, and see how long it took.",
    "Edit, delete or react to a message, and look at the ticket and its history.",
    "Write /close as a customer, or use the ticket’s buttons; then write once more and see it reopened.",
  ];
  tell("What can I do here?",
    h("p", {}, "This page plays a Slack workspace, a Telegram bot and the tickets that Okno makes of both. Nothing leaves this machine."),
    h("ol", {}, steps.map((step) => h("li", {}, step))),
    h("p", { class: "quiet" }, "Enter sends, Shift+Enter begins a new line, ↑ edits your last message, Esc leaves a thread."));
}

for (const button of document.querySelectorAll(".pane-tabs button")) {
  button.addEventListener("click", () => turnTo(button.dataset.pane));
}
byId("tickets").addEventListener("opened", () => turnTo("tickets"));
byId("help").addEventListener("click", help);
turnTo(["slack", "telegram", "tickets"].includes(recall("pane")) ? recall("pane") : "slack");
live.start();
tickets.start();
setInterval(() => document.hidden || Promise.all([slack.readTrouble(), telegram.readTrouble()]), TROUBLE_AGAIN);
