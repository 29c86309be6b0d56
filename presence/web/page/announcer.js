/** Tells screen readers of one's own changes and of the connection, never of others' changes. */
export class Announcer {
  #region;
  #last = "";

  /** @param {HTMLElement} region a live region that was in the page from the start */
  constructor(region) {
    this.#region = region;
  }

  /** @param {string} sentence */
  say(sentence) {
    // The same words again would not be read: a space that does not show makes them others.
    this.#last = sentence === this.#last ? `${sentence}\u00a0` : sentence;
    this.#region.textContent = this.#last;
  }
}
