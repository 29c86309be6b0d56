/** Says in a bar that the connection is lost, and how old is what is shown. */
import { element } from "./elements.js";
import { clock } from "./words.js";

const TRY_NOW_AFTER = 5_000;

export class ConnectionBar {
  #client;
  #bar;
  #announcer;
  #leave;
  #timer = 0;
  #said = "";

  /**
   * @param {any} client
   * @param {HTMLElement} bar
   * @param {{say: (sentence: string) => void}} announcer
   * @param {(problem: string) => void} leave back to the sign-in
   * @param {AbortSignal} signal
   */
  constructor(client, bar, announcer, leave, signal) {
    this.#client = client;
    this.#bar = bar;
    this.#announcer = announcer;
    this.#leave = leave;
    const unsubscribe = client.connection.subscribe(this.#show);
    signal.addEventListener("abort", () => {
      unsubscribe();
      clearTimeout(this.#timer);
      document.body.classList.remove("is-stale");
      bar.hidden = true;
    });
  }

  #show = () => {
    const connection = this.#client.connection.getSnapshot();
    clearTimeout(this.#timer);
    document.body.classList.toggle("is-stale", connection.isStale);
    document.body.dataset.asOf = connection.liveUntil ? `as of ${clock(connection.liveUntil)}` : "";
    const sentence = this.#sentence(connection);
    this.#bar.hidden = !sentence;
    if (sentence) this.#bar.replaceChildren(element("p", {}, sentence), ...this.#buttons(connection));
    this.#announce(connection.state, sentence);
  };

  #sentence({ state, liveUntil, problem }) {
    const old = liveUntil ? ` Statuses are from ${clock(liveUntil)}.` : "";
    if (state === "reconnecting") return `Reconnecting.${old}`;
    if (state === "connecting" && problem) return `Connecting. ${problem.message}`;
    if (state === "closed" && problem) return `${problem.message}${old}`;
    return "";
  }

  #buttons({ state, since, problem }) {
    if (state === "closed") {
      return [
        element("button", { type: "button", click: () => this.#client.connect() }, "Connect again"),
        element("button", { type: "button", click: () => this.#leave(problem.message) }, "Sign in"),
      ];
    }
    const left = TRY_NOW_AFTER - (Date.now() - since.getTime());
    if (left > 0) {
      this.#timer = setTimeout(this.#show, left);
      return [];
    }
    return [element("button", { type: "button", click: () => this.#client.connect() }, "Try now")];
  }

  #announce(state, sentence) {
    const words = state === "live" ? "Connected." : sentence;
    if (!words || words === this.#said || (state === "live" && !this.#said)) return;
    this.#said = state === "live" ? "" : words;
    this.#announcer.say(words);
  }
}
