import { Cell } from "./readable.js";

/** @typedef {import("../client.js").AutoAway} AutoAway */
/** @typedef {import("../client.js").Self} Self */
/** @template T @typedef {import("../client.js").Readable<T>} Readable */

/**
 * What auto-away needs of a client: its user, its server, and how it is told.
 * @typedef {{me: Readable<Self | null>, base: string, setIdle: (isIdle: boolean) => void}} Subject
 */

const FIVE_MINUTES = 300_000;
const EVENTS = ["pointerdown", "pointermove", "keydown", "wheel", "touchstart", "scroll"];
/** How long a tab waits for others to say that their user is active. */
const ANSWER_WITHIN = 250;

/**
 * Tells *subject* whether its user is idle, until the returned function is called.
 * @param {Subject} subject
 * @param {AutoAway} options
 * @returns {() => void}
 */
export function watchIdleness({ me, base, setIdle }, options) {
  /** @type {(() => void)[]} */
  const ends = [() => setIdle(false)];
  if (options.isIdle) ends.unshift(options.isIdle.subscribe(setIdle));
  else if (globalThis.document) {
    const idleness = new Idleness(options);
    ends.unshift(
      idleness.isIdle.subscribe(setIdle),
      me.subscribe((self) => { if (self) idleness.join(`presence:${base}:${self.id}`); }),
      () => idleness.stop(),
    );
  }
  return () => { for (const end of ends) end(); };
}

/** Whether the user is idle in this tab and in all others of this browser and user. */
class Idleness {
  /** @type {Cell<boolean>} */
  isIdle = new Cell(false);
  /** @type {BroadcastChannel | null} */
  #channel = null;
  #hasPeers = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #lastInput = 0;
  #after;
  #hiddenAfter;
  #events;

  /** @param {AutoAway} options */
  constructor({ after = FIVE_MINUTES, whenHiddenAfter = 0, events = EVENTS }) {
    this.#after = after;
    this.#hiddenAfter = whenHiddenAfter;
    this.#events = events;
    for (const event of events) addEventListener(event, this.#onInput, { passive: true, capture: true });
    document.addEventListener("visibilitychange", this.#onVisibility);
    addEventListener("pagehide", this.#onPageHide);
    this.#onVisibility();
  }

  /** Agrees from now on with the other tabs that join *name*. @param {string} name */
  join(name) {
    if (this.#channel?.name === name || !globalThis.BroadcastChannel) return;
    this.#channel?.close();
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }) => this.#take(data);
    this.#post("hello");
  }

  stop() {
    clearTimeout(this.#timer);
    for (const event of this.#events) removeEventListener(event, this.#onInput, { capture: true });
    document.removeEventListener("visibilitychange", this.#onVisibility);
    removeEventListener("pagehide", this.#onPageHide);
    this.#channel?.close();
  }

  // -- this tab -------------------------------------------------------------------------------

  #isActiveHere() {
    return document.visibilityState === "visible" && performance.now() - this.#lastInput < this.#after;
  }

  #onInput = () => {
    this.#lastInput = performance.now();
    if (this.isIdle.getSnapshot()) this.#return();
  };

  #onVisibility = () => {
    if (document.visibilityState === "hidden") this.#wait(this.#hiddenAfter);
    else {
      this.#lastInput = performance.now();
      this.#return();
    }
  };

  #onPageHide = () => this.#post("bye");

  #return() {
    this.isIdle.set(false);
    this.#post("active");
    this.#wait(this.#after);
  }

  /** @param {number} milliseconds */
  #wait(milliseconds) {
    clearTimeout(this.#timer);
    if (milliseconds <= 0) this.#onTime();
    else this.#timer = setTimeout(this.#onTime, milliseconds);
  }

  #onTime = () => {
    const left = this.#after - (performance.now() - this.#lastInput);
    if (document.visibilityState === "visible" && left > 0) this.#wait(left); // there was input
    else if (this.#hasPeers) {
      this.#hasPeers = false;
      this.#post("ask");
      this.#timer = setTimeout(this.#goIdle, ANSWER_WITHIN);
    } else this.#goIdle();
  };

  #goIdle = () => {
    this.isIdle.set(true);
    this.#post("idle");
  };

  // -- the other tabs -------------------------------------------------------------------------

  /** @param {"hello" | "here" | "ask" | "active" | "idle" | "bye"} message */
  #post(message) {
    this.#channel?.postMessage(message);
  }

  /** @param {string} message */
  #take(message) {
    this.#hasPeers = true;
    if (message === "hello" && this.#isActiveHere()) this.#post("active");
    else if (message === "hello") this.#post("here");
    else if (message === "ask") this.#post(this.#isActiveHere() ? "active" : "here");
    else if (message === "bye" && !this.#isActiveHere()) this.#onTime();
    else if (message === "idle" && !this.#isActiveHere()) this.isIdle.set(true);
    else if (message === "active") {
      clearTimeout(this.#timer);
      this.isIdle.set(false);
      if (!this.#isActiveHere()) this.#wait(this.#after);
      else this.#wait(this.#after - (performance.now() - this.#lastInput));
    }
  }
}
