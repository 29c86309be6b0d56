import { Cell } from "./readable.js";

/** @typedef {import("../client.js").AutoAway} AutoAway */
/** @typedef {import("../client.js").PresenceClient} PresenceClient */

/**
 * How a client is told that its user is idle, and the server that it talks to.
 * @type {WeakMap<PresenceClient, {setIdle: (isIdle: boolean) => void, base: string}>}
 */
export const idleSetters = new WeakMap();

const FIVE_MINUTES = 300_000;
const EVENTS = ["pointerdown", "pointermove", "keydown", "wheel", "touchstart", "scroll"];
/** How long a tab waits for others to say that their user is active. */
const ANSWER_WITHIN = 250;

/**
 * Shows the user away after a time without input, or once all tabs are hidden, and as before on
 * return. A status that was set by hand is never overridden.
 * @param {PresenceClient} client
 * @param {AutoAway} [options]
 * @returns {() => void} ends it; the user counts as active then
 */
export function presenceStore(client, options = {}) {
  const own = idleSetters.get(client);
  if (!own) throw new TypeError("presenceStore needs a client of createPresence");
  if (options.isIdle) {
    const unsubscribe = options.isIdle.subscribe(own.setIdle);
    return () => {
      unsubscribe();
      own.setIdle(false);
    };
  }
  if (!globalThis.document) return () => {};
  const idleness = new Idleness(options);
  const ends = [
    idleness.isIdle.subscribe(own.setIdle),
    client.me.subscribe((me) => { if (me) idleness.join(`presence:${own.base}:${me.id}`); }),
  ];
  return () => {
    for (const end of ends) end();
    idleness.stop();
    own.setIdle(false);
  };
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
