// Formatted text of the platforms and of the desk as elements. Only text nodes and known elements come out of it.

import { h, link } from "./dom.js";

const ADDRESS = /https?:\/\/[^\s<>()[\]]*[^\s<>()[\].,;:!?'"]/;

const RULES = {
  slack: [
    [/```\n?([\s\S]+?)```/, (match) => h("pre", {}, match[1])],
    [/`([^`\n]+)`/, (match) => h("code", {}, match[1])],
    [/(?<![\p{L}\p{N}*])\*(\S(?:[^*\n]*\S)?)\*(?![\p{L}\p{N}*])/u, (match) => h("strong", {}, rich(match[1], "slack"))],
    [/(?<![\p{L}\p{N}_])_(\S(?:[^_\n]*\S)?)_(?![\p{L}\p{N}_])/u, (match) => h("em", {}, rich(match[1], "slack"))],
    [/(?<![\p{L}\p{N}~])~(\S(?:[^~\n]*\S)?)~(?![\p{L}\p{N}~])/u, (match) => h("s", {}, rich(match[1], "slack"))],
    [ADDRESS, (match) => link(match[0])],
    [/(?<![\p{L}\p{N}])@[\p{L}\p{N}._-]*[\p{L}\p{N}]/u, (match) => h("span", { class: "mention" }, match[0])],
  ],
  markdown: [
    [/```[^\n]*\n([\s\S]+?)\n?```/, (match) => h("pre", {}, match[1])],
    [/`([^`\n]+)`/, (match) => h("code", {}, match[1])],
    [/\*\*(\S(?:[^*\n]*\S)?)\*\*/, (match) => h("strong", {}, rich(match[1], "markdown"))],
    [/(?<![\p{L}\p{N}*])\*(\S(?:[^*\n]*\S)?)\*(?![\p{L}\p{N}*])/u, (match) => h("em", {}, rich(match[1], "markdown"))],
    [/(?<![\p{L}\p{N}_])_(\S(?:[^_\n]*\S)?)_(?![\p{L}\p{N}_])/u, (match) => h("em", {}, rich(match[1], "markdown"))],
    [/~~(\S(?:[^~\n]*\S)?)~~/, (match) => h("s", {}, rich(match[1], "markdown"))],
    [/\[([^\]\n]+)\]\((https?:\/\/[^\s)]+)\)/, (match) => link(match[2], match[1])],
    [ADDRESS, (match) => link(match[0])],
  ],
  plain: [[ADDRESS, (match) => link(match[0])]],
};

/** Text in a dialect (`slack`: mrkdwn, `markdown`: the usual part of CommonMark, `plain`) as a list of nodes. */
export function rich(text, dialect) {
  let first = null;
  let build = null;
  for (const [pattern, make] of RULES[dialect]) {
    const match = pattern.exec(text);
    if (match && (first === null || match.index < first.index)) [first, build] = [match, make];
  }
  if (first === null) return text ? [document.createTextNode(text)] : [];
  const before = text.slice(0, first.index);
  const after = text.slice(first.index + first[0].length);
  return [...(before ? [document.createTextNode(before)] : []), build(first), ...rich(after, dialect)];
}

const TAGS = {
  bold: "strong", italic: "em", underline: "u", strikethrough: "s", code: "code", pre: "pre", blockquote: "blockquote",
  expandable_blockquote: "blockquote",
};

/** Telegram's text with its entities (offsets are UTF-16 units, as in JavaScript); entities may be nested. */
export function withEntities(text, entities, from = 0, to = text.length) {
  const nodes = [];
  let position = from;
  const outer = [...entities].sort((a, b) => a.offset - b.offset || b.length - a.length);
  for (const [index, entity] of outer.entries()) {
    const end = Math.min(entity.offset + entity.length, to);
    if (entity.offset < position || entity.offset >= to) continue;
    if (entity.offset > position) nodes.push(document.createTextNode(text.slice(position, entity.offset)));
    const inside = outer.slice(index + 1).filter((other) => other.offset < end);
    nodes.push(element(entity, text.slice(entity.offset, end), withEntities(text, inside, entity.offset, end)));
    position = end;
  }
  if (position < to) nodes.push(document.createTextNode(text.slice(position, to)));
  return nodes;
}

function element(entity, text, children) {
  if (entity.type === "url") return link(/^[a-z]+:\/\//i.test(text) ? text : `https://${text}`, text);
  if (entity.type === "text_link") return link(entity.url, text);
  if (["mention", "text_mention", "bot_command", "hashtag"].includes(entity.type)) {
    return h("span", { class: "mention" }, text);
  }
  return h(TAGS[entity.type] ?? "span", {}, children);
}
