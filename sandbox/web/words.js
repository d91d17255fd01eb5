// The ticketing API's words as the page says them.

export const STATUSES = {
  new: "New",
  open: "Open",
  pending: "Pending",
  on_hold: "On hold",
  solved: "Solved",
  closed: "Closed",
  comment_deleted: "Comment deleted",
};

/** What an agent can set; `new` and `comment_deleted` are set by what happens in the chat. */
export const SETTABLE = ["open", "pending", "on_hold", "solved", "closed"];

export const PRIORITIES = { low: "Low", normal: "Normal", high: "High", urgent: "Urgent" };

export const DELIVERIES = {
  queued: "waiting to be sent",
  sending: "sending",
  sent: "delivered",
  unknown: "unknown whether it arrived",
  failed: "not delivered",
  cancelled: "cancelled",
};

const OPERATIONS = { edit: "edit", delete: "deletion" };

/** A delivery in words: "delivered", "sending, 3 attempts", "delivered; edit: not delivered". */
export function deliveryText({ state, operation, operation_state: later, attempts }) {
  const post = DELIVERIES[state] ?? state;
  const after = OPERATIONS[operation] ? `; ${OPERATIONS[operation]}: ${DELIVERIES[later] ?? later}` : "";
  return post + after + (attempts > 1 ? `, ${attempts} attempts` : "");
}

const KINDS = {
  opened: "opened the ticket",
  message_added: "wrote",
  message_revised: "edited a message",
  message_deleted: "deleted a message",
  reaction_changed: "changed a reaction",
  reopened: "reopened the ticket",
  updated: "changed the ticket",
  reply_added: "replied",
  reply_revised: "edited a reply",
  reply_deleted: "deleted a reply",
  delivery_changed: "delivery",
  note_added: "wrote a note",
  channel_moved: "the channel’s id changed",
};

/** A change of the history in words, with who. */
export function changeText(entry) {
  const who = entry.actor.name ?? { customer: "The customer", agent: "An agent", bot: "Okno", system: "Okno" }[entry.actor.kind] ?? "Okno";
  return `${who}: ${KINDS[entry.kind] ?? entry.kind.replaceAll("_", " ")}`;
}

/** The changed fields as `[name, old, new]`, as far as they can be said in a line. */
export function changedFields(entry, agents) {
  return Object.entries(entry.changes)
    .filter(([, change]) => JSON.stringify(change?.old) !== JSON.stringify(change?.new))
    .map(([name, change]) => [name.replaceAll("_", " "), said(name, change?.old, agents), said(name, change?.new, agents)])
    .filter(([, before, after]) => before !== null && after !== null);
}

function said(name, value, agents) {
  if (value === null || value === undefined || value === "") return "none";
  if (name.startsWith("delivery")) return DELIVERIES[value] ?? value;
  if (name === "status") return STATUSES[value] ?? value;
  if (name === "assignee") return agents.find((agent) => agent.id === value)?.name ?? String(value);
  if (Array.isArray(value)) return value.every((one) => typeof one === "string") ? value.join(", ") || "none" : null;
  return typeof value === "object" ? null : String(value).slice(0, 80);
}
