// Slack keeps nothing of a deleted message; the page keeps a mark where it stood, until it is reloaded.

/** What was deleted while this page watched. */
export function deletedHere() {
  const seen = new Map();
  const gone = new Map();
  const id = (place, message) => `${place} ${message}`;
  return {
    remember(place, messages) {
      for (const message of messages) seen.set(id(place, message.id), message);
    },
    add(place, message) {
      const known = seen.get(id(place, message));
      if (known) gone.set(id(place, message), { place, message: { ...known, deleted: true, text: "", reactions: [] } });
    },
    /** The messages with marks of the deleted ones, in order. */
    with(place, messages) {
      const present = new Set(messages.map((message) => message.id));
      const marks = [...gone.values()].filter((one) => one.place === place && !present.has(one.message.id));
      if (marks.length === 0) return messages;
      return [...messages, ...marks.map((one) => one.message)].sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1));
    },
  };
}
