/** The form of the custom status: a text, and when it is cleared. */
import { element } from "./elements.js";
import { clock } from "./words.js";

const MOST = 128;
const COUNT_FROM = 100;

export class CustomStatus {
  #set;
  #durations;
  #saved = "";
  #input;
  #counter = element("span", { class: "counter", id: "custom-counter", hidden: true });
  #button = element("button", { class: "primary" }, "Save");
  #until;
  #untilText = element("span", { class: "hint", id: "custom-until-text" });

  /** @param {readonly any[]} durations @param {(change: object) => void} set */
  constructor(durations, set) {
    this.#set = set;
    this.#durations = durations;
    this.#input = element("input", {
      id: "custom-status", autocomplete: "off", dir: "auto", placeholder: "What is going on?",
      "aria-describedby": "custom-counter custom-until-text", input: () => this.#update(),
    });
    const last = durations.length - 1;
    this.#until = element("select", { id: "custom-until", change: () => this.#update() },
      ...durations.map(({ label }, index) => element("option", { value: index, selected: index === last }, label)));
    this.element = element("form", { class: "custom", submit: (event) => this.#submit(event) },
      element("label", { for: "custom-status" }, "Custom status"),
      element("span", { class: "custom-line" }, this.#input, this.#button),
      this.#counter, this.#untilText,
      element("p", { class: "field" },
        element("label", { for: "custom-until" }, "Clear text after"), this.#until));
    this.#update();
  }

  /** @param {any} me */
  show(me) {
    const saved = me.customStatus ?? "";
    const wasShown = this.#input.value === this.#saved;
    this.#saved = saved;
    this.#untilText.textContent = me.customStatusUntil ? `until ${clock(me.customStatusUntil)}` : "";
    if (wasShown) this.#input.value = saved;
    this.#update();
  }

  /** The field shows what is saved. */
  reset() {
    this.#input.value = this.#saved;
    this.#until.value = String(this.#durations.length - 1);
    this.#update();
  }

  get #isClear() {
    return this.#saved !== "" && this.#input.value === this.#saved && !this.#hasNewEnd;
  }

  get #hasNewEnd() {
    return Number(this.#until.value) !== this.#durations.length - 1;
  }

  #update() {
    const count = [...this.#input.value].length;
    const isTooLong = count > MOST;
    this.#counter.hidden = count < COUNT_FROM;
    this.#counter.textContent = `${count} of ${MOST}`;
    this.#counter.classList.toggle("is-over", isTooLong);
    this.#input.setAttribute("aria-invalid", String(isTooLong));
    this.#button.textContent = this.#isClear ? "Clear" : "Save";
    this.#button.disabled = isTooLong || (this.#input.value === "" && this.#saved === "");
  }

  #submit(event) {
    event.preventDefault();
    if (this.#button.disabled) return;
    const isEnter = event.submitter !== this.#button || document.activeElement === this.#input;
    if (this.#isClear && isEnter) return; // Enter saves, and this is saved
    const text = this.#isClear ? "" : this.#input.value;
    const until = this.#durations[this.#until.value].until(new Date());
    if (text === "") this.#input.value = "";
    this.#set({ customStatus: text || null, ...(text && this.#hasNewEnd ? { customStatusUntil: until } : {}) });
    this.#until.value = String(this.#durations.length - 1);
  }
}
