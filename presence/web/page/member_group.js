/** A heading with a count, and rows in the order of names. */
import { element } from "./elements.js";

const collator = new Intl.Collator(undefined, { sensitivity: "base", numeric: true });
const compare = (a, b) => collator.compare(a.name, b.name) || (a.id < b.id ? -1 : 1);

export class MemberGroup {
  #list = element("ul", { class: "rows" });
  #count = element("span");
  /** @type {any[]} */
  #rows = [];

  /** @param {string} label */
  constructor(label) {
    const id = `group-${label.toLowerCase()}`;
    this.section = element("section", { class: `group ${id}`, "aria-labelledby": id, hidden: true },
      element("h2", { id }, `${label}, `, this.#count), this.#list);
  }

  /** @param {number} count as the server counts, so that rows still to come are in it */
  setCount(count) {
    this.#count.textContent = String(count);
    this.section.hidden = count === 0 && this.#rows.length === 0;
  }

  clear() {
    this.#rows = [];
    this.#list.replaceChildren();
    this.section.hidden = true;
  }

  /** Adds rows that are in order themselves. @param {any[]} rows */
  addAll(rows) {
    if (rows.length === 0) return;
    if (this.#rows.length > 0 && rows.length < 50) {
      for (const row of rows) this.add(row);
      return;
    }
    for (const row of rows) row.group = this;
    this.#rows = this.#rows.concat(rows).sort(compare);
    this.#list.append(...this.#rows.map((row) => row.element));
    this.section.hidden = false;
  }

  /** @param {any} row */
  add(row) {
    const position = this.#positionOf(row);
    const next = this.#rows[position]?.element ?? null;
    this.#rows.splice(position, 0, row);
    row.group = this;
    this.#list.insertBefore(row.element, next);
    this.section.hidden = false;
  }

  /** @param {any} row */
  remove(row) {
    this.#rows.splice(this.#rows.indexOf(row), 1);
    row.element.remove();
  }

  #positionOf(row) {
    let low = 0;
    for (let high = this.#rows.length; low < high;) {
      const middle = (low + high) >> 1;
      if (compare(this.#rows[middle], row) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
