// The reactions offered, and how each platform calls them: Slack by name, Telegram by emoji.

const KNOWN = [
  { sign: "thumb", label: "thumbs up", slack: "+1", telegram: "👍" },
  { sign: "eyes", label: "eyes", slack: "eyes", telegram: "👀" },
  { sign: "check", label: "check mark", slack: "white_check_mark" },
  { sign: "heart", label: "heart", slack: "heart", telegram: "❤" },
  { sign: "party", label: "party", slack: "tada", telegram: "🎉" },
  { sign: "ticket", label: "ticket", slack: "ticket" },
  { sign: "fire", label: "fire", telegram: "🔥" },
];

/** What can be chosen on a platform: `{name, sign, label, text}`. */
export function palette(platform) {
  return KNOWN.filter((one) => one[platform]).map((one) => described(platform, one[platform]));
}

/** How to show a reaction of a platform by its own name for it. */
export function described(platform, name) {
  const plain = name.replace("\uFE0F", "").replace("thumbsup", "+1");
  const known = KNOWN.find((one) => one[platform] === plain);
  const text = platform === "slack" ? `:${name}:` : name;
  return { name, text, sign: known?.sign, label: known?.label ?? name };
}
