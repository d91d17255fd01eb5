// Where something is written: Enter sends, Shift+Enter begins a new line. The text stays until it has been taken.

import { h } from "./dom.js";
import { icon } from "./icons.js";

export class Composer {
  /** `onsend(text)` empties the composer when the text was taken, or throws: its message is then shown below. */
  constructor({ label, sendLabel = "Send", onsend, onescape, onup }) {
    this.onsend = onsend;
    this.area = h("textarea", {
      rows: 1,
      "aria-label": label,
      placeholder: label,
      maxlength: 100000,
      "data-focus": "composer",
      onkeydown: (event) => this.#key(event, onescape, onup),
      oninput: () => this.#fit(),
    });
    this.button = h("button", { type: "button", class: "send", "aria-label": sendLabel, title: `${sendLabel} (Enter)`,
      onclick: () => this.send() }, icon("send"));
    this.problem = h("p", { class: "problem", role: "alert", hidden: true });
    this.element = h("div", { class: "composer" }, h("div", { class: "box" }, this.area, this.button), this.problem);
  }

  get text() {
    return this.area.value;
  }

  set text(text) {
    this.area.value = text;
    this.#fit();
  }

  relabel(label, sendLabel) {
    this.area.setAttribute("aria-label", label);
    this.area.placeholder = label;
    if (sendLabel) {
      this.button.setAttribute("aria-label", sendLabel);
      this.button.title = `${sendLabel} (Enter)`;
    }
  }

  enable(enabled) {
    this.area.disabled = !enabled;
    this.button.disabled = !enabled;
  }

  focus() {
    this.area.focus();
    this.area.setSelectionRange(this.text.length, this.text.length);
  }

  explain(message) {
    this.problem.textContent = message ?? "";
    this.problem.hidden = !message;
  }

  async send() {
    const text = this.text;
    if (!text.trim() || this.button.disabled) return;
    this.button.disabled = true;
    this.area.readOnly = true;
    try {
      await this.onsend(text);
      this.explain(null);
    } catch (error) {
      this.explain(error.message);
    } finally {
      this.button.disabled = false;
      this.area.readOnly = false;
    }
  }

  #key(event, onescape, onup) {
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.send();
    } else if (event.key === "Escape" && onescape) {
      event.preventDefault();
      onescape();
    } else if (event.key === "ArrowUp" && onup && !this.text) {
      if (onup()) event.preventDefault();
    }
  }

  /** As high as the text, up to a limit in the style sheet; scrolled beyond it. */
  #fit() {
    this.area.style.height = "auto";
    if (this.text.includes("\n") || this.area.scrollHeight > this.area.clientHeight) {
      this.area.style.height = `${this.area.scrollHeight + 2}px`;
    }
  }
}
