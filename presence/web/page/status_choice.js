/**
 * The radio group of statuses, and how long the chosen one holds.
 *
 * Arrow keys move the choice and send nothing: on the way from Invisible to Away they pass
 * Online. A choice is sent by Enter, Space, a click, or when the focus leaves the group.
 */
import { buildMark, element } from "./elements.js";
import { CHOICES, clock } from "./words.js";

export class StatusChoice {
  #set;
  #durations;
  #me = null;
  #isArrow = false;
  #radios = new Map();
  #until;
  #untilField;

  /** @param {readonly any[]} durations @param {(change: object) => void} set */
  constructor(durations, set) {
    this.#set = set;
    this.#durations = durations;
    const group = element("div", {
      class: "choices", role: "radiogroup", "aria-label": "Status",
      keydown: (event) => this.#onKey(event),
      keyup: () => { this.#isArrow = false; },
      focusout: (event) => this.#onFocusOut(event, group),
    }, ...CHOICES.map((choice) => this.#build(choice)));
    this.#until = element("select", { id: "status-until", change: () => this.#setUntil() });
    this.#untilField = element("p", { class: "field" },
      element("label", { for: "status-until" }, "Clear status after"), this.#until);
    this.element = element("div", {}, group, this.#untilField);
  }

  /** @param {any} me */
  show(me) {
    const isOpenChoice = this.#me && this.chosen !== this.#me.intent;
    this.#me = me;
    if (!isOpenChoice || this.chosen === me.intent) this.takeBack();
    for (const [status, { row }] of this.#radios) row.classList.toggle("is-set", status === me.intent);
    this.#untilField.hidden = me.intent === "online";
    this.#showUntil();
  }

  get chosen() {
    for (const [status, { input }] of this.#radios) if (input.checked) return status;
    return null;
  }

  focus() {
    this.#radios.get(this.#me?.intent ?? "online").input.focus();
  }

  /** The choice is again what is set. */
  takeBack() {
    this.#radios.get(this.#me.intent).input.checked = true;
  }

  /** Sends the choice, unless it is what is set. */
  commit() {
    if (this.#me && this.chosen && this.chosen !== this.#me.intent) this.#set({ status: this.chosen });
  }

  #build({ status, label, hint }) {
    const id = `status-${status}`;
    const input = element("input", {
      type: "radio", name: "status", id, value: status, click: () => this.#onClick(),
      "aria-describedby": hint ? `${id}-hint` : null,
    });
    const row = element("label", { class: "choice", for: id }, input, buildMark(status),
      element("span", { class: "choice-label" }, label),
      hint && element("span", { class: "choice-hint", id: `${id}-hint` }, hint),
      element("span", { class: "check", "aria-hidden": "true" }, "\u2713"));
    this.#radios.set(status, { input, row });
    return row;
  }

  #onKey(event) {
    this.#isArrow = event.key.startsWith("Arrow");
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.commit();
    }
  }

  #onClick() {
    // A browser also reports an arrow key in a radio group as a click.
    if (!this.#isArrow) this.commit();
  }

  #onFocusOut(event, group) {
    if (event.relatedTarget && !group.contains(event.relatedTarget)) this.commit();
  }

  #showUntil() {
    const { until } = this.#me;
    const options = this.#durations.map(({ label }, index) => element("option", { value: index }, label));
    if (until) options.unshift(element("option", { value: "now" }, `until ${clock(until)}`));
    this.#until.replaceChildren(...options);
    this.#until.value = until ? "now" : String(this.#durations.length - 1);
  }

  #setUntil() {
    const duration = this.#durations[this.#until.value];
    if (duration) this.#set({ status: this.#me.intent, until: duration.until(new Date()) });
  }
}
