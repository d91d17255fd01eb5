// Elements are built from values, never from markup: what people write only ever becomes text nodes.

const PROPERTIES = new Set(["value", "checked", "disabled", "hidden", "selected", "open"]);

/** An element. `onclick` and the like are listeners; null, undefined and false leave an attribute out. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (PROPERTIES.has(name)) element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** A link to a web address; anything else stays text. */
export function link(address, label = address) {
  if (!/^https?:\/\//i.test(address)) return document.createTextNode(label);
  return h("a", { href: address, target: "_blank", rel: "noopener noreferrer nofollow" }, label);
}

const shown = new WeakMap();

/**
 * Make `parent` show one node an item, in order. Nodes of items that did not change stay the same nodes, so that
 * focus, selection and scroll position survive; an item's whole view must be in the item.
 */
export function renderList(parent, items, keyOf, build) {
  const before = shown.get(parent) ?? new Map();
  const after = new Map();
  let place = parent.firstChild;
  for (const item of items) {
    const key = keyOf(item);
    const mark = JSON.stringify(item);
    const known = before.get(key);
    const entry = known && known.mark === mark ? known : { mark, node: build(item) };
    after.set(key, entry);
    if (entry !== known && known) {
      const focus = focusIn(known.node);
      if (place === known.node) place = known.node.nextSibling;
      known.node.replaceWith(entry.node);
      restoreFocus(entry.node, focus);
      if (entry.node.nextSibling === place) continue;
    }
    if (entry.node === place) place = place.nextSibling;
    else parent.insertBefore(entry.node, place);
  }
  for (const [key, entry] of before) {
    if (after.get(key)?.node !== entry.node) entry.node.remove();
  }
  shown.set(parent, after);
}

/** Replace all children, but keep the focus on the element with the same `data-focus`. */
export function replaceAll(parent, ...children) {
  const focus = focusIn(parent);
  parent.replaceChildren(...children.flat(Infinity).filter(Boolean));
  restoreFocus(parent, focus);
}

function focusIn(node) {
  const active = document.activeElement;
  return active && node.contains(active) ? (active.dataset.focus ?? null) : null;
}

function restoreFocus(node, focus) {
  if (focus !== null) node.querySelector(`[data-focus="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
}

const PAUSE = 60;

/** Run `work` at most once at a time; calls during a run cause one more run, a moment after it. */
export function coalesced(work) {
  let running = null;
  let again = false;
  return function run() {
    if (running) {
      again = true;
      return running;
    }
    running = (async () => {
      try {
        do {
          again = false;
          await work();
          if (again) await new Promise((resolve) => setTimeout(resolve, PAUSE));
        } while (again);
      } finally {
        running = null;
      }
    })();
    return running;
  };
}

/** A choice of one: options are `[value, label]` or `{label, options}` for a group. The value may be absent. */
export function fillSelect(select, options, value) {
  const mark = JSON.stringify([options, value]);
  if (select.dataset.mark === mark && select.value === String(value ?? "")) return;
  const one = ([key, label]) => h("option", { value: key }, label);
  select.replaceChildren(
    ...options.map((option) =>
      Array.isArray(option) ? one(option) : h("optgroup", { label: option.label }, option.options.map(one)),
    ),
  );
  select.value = String(value ?? "");
  select.dataset.mark = mark;
}
