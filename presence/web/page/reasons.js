/** Why one is shown as one is: the sentences of the server, the deciding one first to the eye. */
import { element } from "./elements.js";
import { clock, LABELS } from "./words.js";

export class Reasons {
  #explain;
  #list = element("ol", { class: "reasons" });
  #next = element("p", { class: "hint" });

  /** @param {() => Promise<any>} explain */
  constructor(explain) {
    this.#explain = explain;
    this.element = element("details", { class: "why", toggle: () => this.refresh() },
      element("summary", {}, "Why am I shown as I am?"), this.#list, this.#next);
  }

  close() {
    this.element.open = false;
  }

  async refresh() {
    if (!this.element.open) return;
    try {
      this.#show(await this.#explain());
    } catch (error) {
      this.#list.replaceChildren();
      this.#next.textContent = error.message;
    }
  }

  #show({ status, because, next }) {
    this.element.firstElementChild.textContent = `Why am I shown as ${LABELS[status]}?`;
    this.#list.replaceChildren(...because.map((reason) => element("li", {
      class: reason.isDeciding ? "is-deciding" : null,
    }, reason.says, reason.isDeciding && element("span", { class: "visually-hidden" }, " This decides."))));
    this.#next.textContent = next
      ? `Next: ${LABELS[next.status]} at ${clock(next.at)} (${next.because}).`
      : "Nothing changes by itself.";
  }
}
