// Drawn signs, so that the page looks the same on machines without an emoji font.

const SVG = "http://www.w3.org/2000/svg";

const LINES = {
  thread: "M4 5h16v11H10l-4 4v-4H4z",
  reply: "M9 7 4 12l5 5M4 12h9a6 6 0 0 1 6 6v1",
  edit: "M4 20h4L19 9l-4-4L4 16zM13 7l4 4",
  remove: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10 11v5M14 11v5",
  react: "M12 20a8 8 0 1 1 5-14M9 10v.5M14 10v.5M8.5 14a4 4 0 0 0 7 0M19 3v6M16 6h6",
  channel: "M9 4 7 20M17 4l-2 16M4 9h16M3 15h16",
  private: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  dialog: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 21a8 8 0 0 1 16 0",
  group: "M9 12a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20a6.5 6.5 0 0 1 13 0M16 5.5a3.5 3.5 0 0 1 0 6.5M18 14.5a6.5 6.5 0 0 1 3.5 5.5",
  plus: "M12 5v14M5 12h14",
  back: "M14 6l-6 6 6 6",
  send: "M4 12 20 4l-5 16-3.5-6.5z",
  close: "M6 6l12 12M18 6 6 18",
};

const FILLED = {
  thumb: ["#e0a11b", "M2 10h4v11H2zM8 10l4-8c2 0 3 1.5 2.5 3.5L14 9h6a2 2 0 0 1 2 2.4l-1.600 8A2 2 0 0 1 18.400 21H8z"],
  eyes: [
    "#3d7fc4",
    "M7 5c2.800 0 4.500 3 4.500 7S9.800 19 7 19s-4.500-3-4.500-7S4.200 5 7 5zm1.500 6a2 2.500 0 1 0 0 5 2 2.500 0 0 0 0-5zM17 5c2.800 0 4.500 3 4.500 7s-1.700 7-4.500 7-4.500-3-4.500-7 1.700-7 4.500-7zm1.500 6a2 2.500 0 1 0 0 5 2 2.500 0 0 0 0-5z",
  ],
  check: ["#2f9e5f", "M5 3h14a2 2 0 0 1 2 2v14a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2zm2 9.500 3.700 3.700L17.300 9.500 15.800 8l-5.100 5.100L8.500 11z"],
  heart: ["#d6405a", "M12 21C5 15.500 2.500 12 2.500 8.500A5 5 0 0 1 12 6.200a5 5 0 0 1 9.500 2.300C21.500 12 19 15.500 12 21z"],
  party: [
    "#a04fc0",
    "M8 8l8 8L3 21zM13 3h2v4h-2zM18 9h4v2h-4zM17.500 4.500 19 6l-3 3-1.500-1.500zM19 14h2v2h-2zM9 3h2v2H9z",
  ],
  ticket: ["#b8742c", "M3 6h18v4a2 2 0 0 0 0 4v4H3v-4a2 2 0 0 0 0-4zm11 2v2h1.500V8zm0 3v2h1.500v-2zm0 3v2h1.500v-2z"],
  fire: ["#e0632a", "M12 2c1 4 6 6 6 12a6 6 0 0 1-12 0c0-2 1-3.500 2-4.500.300 1.500 1 2 1.500 2C9 8 10 4.500 12 2z"],
};

/** A sign of the page's own. It is decoration: what it stands beside is named. */
export function icon(name) {
  const svg = drawing();
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", LINES[name]);
  svg.classList.add("lines");
  svg.append(path);
  return svg;
}

/** A reaction's picture: drawn if we know it, else the emoji or Slack's `:name:` as text. */
export function reactionSign(reaction) {
  if (reaction.sign === undefined || !FILLED[reaction.sign]) return document.createTextNode(reaction.text);
  const [colour, line] = FILLED[reaction.sign];
  const svg = drawing();
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", line);
  path.setAttribute("fill", colour);
  path.setAttribute("fill-rule", "evenodd");
  svg.append(path);
  return svg;
}

function drawing() {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("icon");
  return svg;
}
