// Calls of the sandbox's own server. Every refusal is a `Refused` whose message tells a person what to do.

export class Refused extends Error {
  /** `status` is 0 when nothing answered; `code` is the platform's or the API's own word. */
  constructor(message, status, code = "") {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const SLACK_WORDS = {
  not_in_channel: "This person is not a member of that channel.",
  name_taken: "That name is taken already; choose another.",
  is_archived: "The channel is archived.",
  message_not_found: "The message is gone.",
  channel_not_found: "The channel is gone. Reload the page.",
  user_not_found: "That person is gone. Reload the page.",
  thread_not_found: "The thread's first message is gone.",
  cannot_reply_to_message: "Notices of the channel can't be answered.",
  no_text: "Write something first.",
};

/** The JSON of a successful answer. */
export async function call(method, path, body, headers = {}) {
  let response;
  let text;
  try {
    response = await fetch(path, {
      method,
      headers: { ...(body === undefined ? {} : { "Content-Type": "application/json" }), ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    text = await response.text();
  } catch {
    throw new Refused("The sandbox doesn't answer. “make status” says what runs, “make up” starts it.", 0);
  }
  const data = parsed(text);
  if (!response.ok) throw refusal(response.status, data, text);
  return data;
}

function parsed(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}

function refusal(status, data, text) {
  const code = data?.error ?? data?.type ?? "";
  if (data?.detail) return new Refused(data.detail, status, code);
  if (data?.title) return new Refused(data.title, status, code);
  if (data?.error) return new Refused(SLACK_WORDS[data.error] ?? `Refused: ${data.error}`, status, code);
  return new Refused(`The sandbox answered ${status}${text ? `: ${text.slice(0, 200)}` : "."}`, status, code);
}

/** A key that makes repeating a request harmless. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
