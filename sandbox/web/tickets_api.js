// The ticketing API through the sandbox's pass-through, which adds the token.

import { call } from "./http.js";

const PATH = "/tickets/v1/tickets";

/** One page of tickets, the newest first; `filter`: `{status, platform, assignee}`, each may be empty. */
export function list(filter, limit, cursor) {
  const query = parameters(filter);
  query.set("limit", limit);
  if (cursor) query.set("cursor", cursor);
  return call("GET", `${PATH}?${query}`);
}

/** How many tickets have each status, whichever status is chosen in the filter. */
export function counts(filter) {
  return call("GET", `${PATH}/counts?${parameters({ ...filter, status: "" })}`);
}

function parameters(filter) {
  return new URLSearchParams(Object.entries(filter).filter(([, value]) => value));
}

export const open = (ticket) => call("GET", `${PATH}/${ticket}`);

export const messages = (ticket) => everything(`${PATH}/${ticket}/messages`);

export const history = (ticket) => everything(`${PATH}/${ticket}/history`);

async function everything(path) {
  const found = [];
  let cursor = null;
  do {
    const page = await call("GET", `${path}?limit=200${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    found.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor);
  return found;
}

const ownRevisions = new Map(); // by ticket: what this page's last change made, which its view may not show yet
let lastChange = Promise.resolve();

/** Change fields of a ticket as it was seen, one change after another: refused when somebody else changed it since. */
export function change(ticket, fields) {
  const work = lastChange.then(async () => {
    const revision = Math.max(ticket.revision, ownRevisions.get(ticket.id) ?? 0);
    const changed = await call("PATCH", `${PATH}/${ticket.id}`, fields, { "If-Match": `"${revision}"` });
    ownRevisions.set(ticket.id, changed.revision);
    return changed;
  });
  lastChange = work.catch(() => {}); // whoever asked for it is told; the next one begins all the same
  return work;
}

/** Write a reply or a note (`kind`: replies, notes); repeating with the same key has no second effect. */
export function write(ticket, kind, body, key) {
  return call("POST", `${PATH}/${ticket.id}/${kind}`, body, { "Idempotency-Key": key });
}

/** What to do with a reply: resend, confirm or cancel. */
export function decide(ticket, reply, what, key) {
  return call("POST", `${PATH}/${ticket.id}/replies/${encodeURIComponent(reply)}/${what}`, undefined, { "Idempotency-Key": key });
}

export const revise = (ticket, reply, text) =>
  call("PATCH", `${PATH}/${ticket.id}/replies/${encodeURIComponent(reply)}`, { text });

export const remove = (ticket, reply) => call("DELETE", `${PATH}/${ticket.id}/replies/${encodeURIComponent(reply)}`);
