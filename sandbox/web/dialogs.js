// Small forms in a modal dialog. A refusal is shown inside, and what was typed stays.

import { h } from "./dom.js";

/**
 * Ask for something. `fields`: `{name, label, value?, options?, hint?}`; `submit(values)` may throw.
 * Resolves to what `submit` gave, or null when cancelled.
 */
export function ask({ title, fields, action, submit, intro }) {
  return new Promise((resolve) => {
    const problem = h("p", { class: "problem", role: "alert", hidden: true });
    const controls = fields.map((field) => control(field));
    const save = h("button", { type: "submit", class: "main" }, action);
    const cancel = h("button", { type: "button", onclick: () => dialog.close() }, "Cancel");
    const form = h(
      "form",
      { onsubmit: (event) => onsubmit(event) },
      h("h2", {}, title),
      intro ? h("p", { class: "quiet" }, intro) : null,
      controls.map((one) => one.row),
      problem,
      h("div", { class: "row end" }, cancel, save),
    );
    const dialog = h("dialog", { "aria-label": title, onclose: () => finish() }, form);
    let result = null;

    async function onsubmit(event) {
      event.preventDefault();
      save.disabled = true;
      try {
        result = await submit(Object.fromEntries(controls.map((one) => [one.name, one.input.value])));
        dialog.close();
      } catch (error) {
        problem.textContent = error.message;
        problem.hidden = false;
      } finally {
        save.disabled = false;
      }
    }

    function finish() {
      dialog.remove();
      resolve(result);
    }

    document.body.append(dialog);
    dialog.showModal();
    controls[0]?.input.focus();
  });
}

function control({ name, label, value = "", options, hint }) {
  const input = options
    ? h("select", {}, options.map(([key, text]) => h("option", { value: key }, text)))
    : h("input", { type: "text", required: true, maxlength: 80, autocomplete: "off" });
  input.value = value || (options ? options[0][0] : "");
  const row = h("label", { class: "field" }, h("span", {}, label), input, hint ? h("small", {}, hint) : null);
  return { name, input, row };
}

/** A page of words with a button to leave it. */
export function tell(title, ...content) {
  const dialog = h(
    "dialog",
    { "aria-label": title, onclose: () => dialog.remove() },
    h("h2", {}, title),
    content,
    h("div", { class: "row end" }, h("button", { type: "button", class: "main", onclick: () => dialog.close() }, "Good")),
  );
  document.body.append(dialog);
  dialog.showModal();
}
