// The desk's people, as the ticketing API knows them.

import { call, newKey } from "./http.js";

const PATH = "/tickets/v1/agents";

export class Desk {
  constructor() {
    this.agents = [];
    this.keys = new Set();
  }

  async load() {
    const found = [];
    let cursor = null;
    do {
      const page = await call("GET", `${PATH}?limit=200${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
      found.push(...page.items);
      cursor = page.next_cursor;
    } while (cursor);
    this.agents = found.filter((agent) => agent.active).sort((a, b) => a.name.localeCompare(b.name));
    this.keys = new Set(this.agents.flatMap((agent) => agent.identities));
  }

  /** Whether a chat identity is the desk's. */
  has(personKey) {
    return this.keys.has(personKey);
  }

  /** Agents who can be mentioned on a platform. */
  reachable(platform) {
    return this.agents.filter((agent) => agent.identities.some((key) => key.startsWith(`${platform}:`)));
  }

  /**
   * Someone of this name is on the desk and writes under this identity; the id. Somebody of that name from before is
   * the same person, whose former identity on the platform is given up: a restarted sandbox knows none of them.
   */
  async add(name, role, personKey) {
    await this.load();
    const platform = personKey?.split(":")[0];
    const known = this.agents.find((agent) => agent.name === name);
    const identities = [
      ...(known?.identities ?? []).filter((key) => !key.startsWith(`${platform}:`)),
      ...(personKey ? [personKey] : []),
    ];
    const unchanged = known && known.role === role && identities.join() === known.identities.join();
    let agent = known;
    if (!known) agent = await call("POST", PATH, { name, role, identities }, { "Idempotency-Key": newKey() });
    else if (!unchanged) agent = await call("PATCH", `${PATH}/${known.id}`, { role, identities });
    await this.load();
    return agent.id;
  }
}
