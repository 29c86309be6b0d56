import { networkProblem, PresenceError, problemOfClose, problemOfResponse, UnauthorizedError }
  from "./problems.js";
import { Cell } from "./readable.js";
import { openSocket } from "./socket.js";

/** @typedef {import("../client.js").Connection} State */
/** @typedef {import("../client.js").Options} Options */
/** @typedef {import("../client.js").Problem} Problem */
/** @typedef {import("./rest.js").Rest} Rest */
/** @typedef {import("./socket.js").Transport} Transport */

const PING_EVERY = 20_000;
const PONG_WITHIN = 10_000;
const READY_WITHIN = 20_000;
/** The server sends a comment every 30 s where nothing else is to be sent. */
const EVENT_WITHIN = 75_000;
/** A connection that lived this long starts the back-off anew. */
const STABLE_AFTER = 10_000;

/** The state without an attempt to come, a connection or a problem. */
const NEITHER = { retryAt: null, transport: null, problem: null };

/** Keeps one connection to the server: connects, notices losses, connects again. */
export class Connector {
  /** @type {Cell<State>} */
  state;
  #options;
  #rest;
  #hooks;
  #now;
  /** @type {Transport | null} */
  #transport = null;
  /** @type {AbortController | null} */
  #attempt = null;
  #failures = 0;
  #liveAt = 0;
  #isBlocked = false;
  /** @type {Record<"retry" | "stale" | "ping" | "pong", ReturnType<typeof setTimeout> | undefined>} */
  #timers = { retry: undefined, stale: undefined, ping: undefined, pong: undefined };
  #isPageWatched = false;

  /**
   * @param {Options} options
   * @param {Rest} rest
   * @param {{params: () => Promise<Record<string, string>>, frame: (frame: any) => void,
   *   problem: (problem: Problem) => void, model: import("./model.js").Model}} hooks `params` are
   *   those of the connect request
   */
  constructor(options, rest, hooks) {
    this.#options = options;
    this.#rest = rest;
    this.#hooks = hooks;
    this.#now = options.now ?? Date.now;
    this.state = new Cell(/** @type {State} */ (Object.freeze({
      ...NEITHER, state: "idle", since: new Date(this.#now()), isStale: false, liveUntil: null, attempt: 0,
    })));
  }

  /** Connects, or tries again at once where the next attempt is still to come. */
  connect() {
    const { state } = this.state.getSnapshot();
    if (state === "live" || this.#attempt || this.#transport) return;
    this.#watchPage(true);
    this.#failures = 0;
    void this.#try();
  }

  /** Says goodbye and stays away. */
  disconnect() {
    const { state, liveUntil } = this.state.getSnapshot();
    if (state === "idle" || state === "closed") return;
    this.#leave();
    this.#set({ ...NEITHER, state: "closed", isStale: true,
      liveUntil: state === "live" ? new Date(this.#now()) : liveUntil });
  }

  /** Sends a frame; false where there is no live WebSocket. @param {object} frame */
  send(frame) {
    const { state, transport } = this.state.getSnapshot();
    if (state !== "live" || transport !== "websocket") return false;
    this.#transport?.send(frame);
    return true;
  }

  // -- one attempt ----------------------------------------------------------------------------

  async #try() {
    clearTimeout(this.#timers.retry);
    this.#expectWithin(READY_WITHIN);
    const attempt = this.#attempt = new AbortController();
    const { state, liveUntil } = this.state.getSnapshot();
    this.#set({
      state: liveUntil || state === "reconnecting" ? "reconnecting" : "connecting",
      attempt: this.#failures + 1, retryAt: null,
    });
    try {
      const params = await this.#hooks.params();
      const token = await this.#rest.credentials.renew(attempt.signal);
      if (!attempt.signal.aborted) await this.#open(token, params, attempt);
    } catch (error) {
      if (!attempt.signal.aborted) this.#fail(problemOfError(error));
    }
  }

  /**
   * @param {string | undefined} token
   * @param {Record<string, string>} params
   * @param {AbortController} attempt
   */
  async #open(token, params, attempt) {
    const { transports = ["websocket", "events"], WebSocket: Socket = globalThis.WebSocket }
      = this.#options;
    const isSocket = transports.includes("websocket") && Socket
      && !(this.#isBlocked && transports.includes("events"));
    const { base, credentials } = this.#rest;
    /** @type {(handlers: import("./shared.js").AllHandlers) => Promise<Transport>} */
    const openOwn = async (handlers) => (isSocket
      ? openSocket(base, credentials, token, params, Socket, handlers)
      : (await import("./events.js")).openEvents(this.#rest, params, handlers));
    const handlers = {
      open: () => {},
      frame: (/** @type {any} */ frame) => this.#take(frame, isSocket ? "websocket" : "events"),
      end: (/** @type {{code: number, reason: string, wasOpen: boolean}} */ end) => {
        void this.#end(end, attempt);
      },
      refuse: (/** @type {Problem} */ problem) => this.#fail(problem),
    };
    const transport = this.#options.shareAcrossTabs && globalThis.navigator?.locks
      ? (await import("./shared.js")).openShared(
        `presence:socket:${base}:${credentials.holder}`, openOwn, this.#hooks.model, handlers)
      : await openOwn(handlers);
    if (attempt.signal.aborted) transport.close(1000);
    else this.#transport = transport;
  }

  /** @param {any} frame @param {"websocket" | "events"} transport */
  #take(frame, transport) {
    clearTimeout(this.#timers.pong);
    this.#timers.pong = undefined;
    if (transport === "events") this.#expectWithin(EVENT_WITHIN);
    if (frame.op !== "DISPATCH") return;
    this.#hooks.frame(frame);
    if (frame.t !== "READY") return;
    this.#attempt = null;
    this.#liveAt = this.#now();
    clearTimeout(this.#timers.stale);
    this.#set({ ...NEITHER, state: "live", isStale: false, liveUntil: null, attempt: 0, transport });
    if (transport === "websocket") this.#timers.ping = setTimeout(this.#ping, PING_EVERY);
  }

  /** @param {{code: number, reason: string, wasOpen: boolean}} end @param {AbortController} attempt */
  async #end({ code, reason, wasOpen }, attempt) {
    this.#transport = null;
    if (wasOpen) {
      if (code === 4001) this.#rest.credentials.refuse(true);
      this.#fail(problemOfClose(code, reason));
      return;
    }
    this.#attempt = attempt; // it goes on until the reason is known
    const problem = await this.#askWhy(attempt.signal);
    if (!attempt.signal.aborted) this.#fail(problem);
  }

  /**
   * Why a handshake never opened, which a browser does not say. Where requests are answered,
   * WebSockets are blocked on the way: the next attempt does without.
   * @param {AbortSignal} signal
   * @returns {Promise<Problem>}
   */
  async #askWhy(signal) {
    try {
      const within = AbortSignal.any([signal, AbortSignal.timeout(PONG_WITHIN)]);
      const response = await this.#rest.open("users/@me", within);
      if (!response.ok) return await problemOfResponse(response);
      this.#isBlocked = true;
      return networkProblem("WebSockets do not get through.");
    } catch (error) {
      return problemOfError(error);
    }
  }

  /** Ends the attempt or the connection. @param {Problem} problem */
  #fail(problem) {
    const wasLive = this.state.getSnapshot().state === "live";
    if (problem.httpStatus === 401) this.#rest.credentials.refuse();
    // The next attempt asks for another token, and ends for good where there is none.
    const isFinal = problem.isFinal && !(problem.httpStatus === 401 && this.#options.getToken);
    this.#leave(isFinal);
    if (wasLive && this.#now() - this.#liveAt >= STABLE_AFTER) this.#failures = 0;
    this.#hooks.problem(problem);
    const liveUntil = wasLive ? new Date(this.#now()) : this.state.getSnapshot().liveUntil;
    if (isFinal) {
      this.#set({ ...NEITHER, state: "closed", isStale: true, liveUntil, problem });
      return;
    }
    const delay = this.#delay(problem);
    this.#timers.retry = setTimeout(() => void this.#try(), delay);
    this.#set({ state: wasLive ? "reconnecting" : this.state.getSnapshot().state, liveUntil,
      transport: null, problem, retryAt: new Date(this.#now() + delay) });
    if (wasLive) this.#timers.stale = setTimeout(() => this.#set({ isStale: true }),
      this.#options.staleAfter ?? 3_000);
  }

  /** Milliseconds until the next attempt. @param {Problem} problem */
  #delay(problem) {
    const { least = 1_000, most = 30_000, jitter = "full" } = this.#options.reconnect ?? {};
    const longest = Math.min(most, least * 2 ** this.#failures++);
    if (problem.code === "unauthorized") return this.#failures > 1 ? longest : 0;
    const delay = jitter === "full" ? Math.random() * longest : longest;
    return problem.retryAfter ? problem.retryAfter * 1_000 + (jitter === "full" ? delay : 0) : delay;
  }

  // -- what ends and what is noticed ----------------------------------------------------------

  #leave(isForGood = true) {
    this.#attempt?.abort();
    this.#attempt = null;
    this.#transport?.close(1000);
    this.#transport = null;
    const { retry, ping, pong, stale } = this.#timers;
    for (const timer of [retry, ping, pong]) clearTimeout(timer);
    this.#timers.pong = undefined;
    if (!isForGood) return;
    clearTimeout(stale);
    this.#watchPage(false);
  }

  #ping = () => {
    if (!this.send({ op: "HEARTBEAT" })) return;
    clearTimeout(this.#timers.ping);
    this.#timers.ping = setTimeout(this.#ping, PING_EVERY);
    if (!isHidden()) this.#expectWithin(PONG_WITHIN);
  };

  /** Gives up unless something arrives in time. @param {number} milliseconds */
  #expectWithin(milliseconds) {
    this.#timers.pong ??= setTimeout(() => {
      this.#timers.pong = undefined;
      // Timers of a hidden tab are late, and decide nothing; the page asks when it is seen again.
      if (!isHidden()) this.#fail(networkProblem("The server does not answer."));
    }, milliseconds);
  }

  /** Attempts at once, or asks whether the connection still lives. */
  #look = () => {
    const { state, retryAt } = this.state.getSnapshot();
    if (state === "live") this.#ping();
    else if (retryAt && !isHidden()) void this.#try();
  };

  #onPageHide = (/** @type {PageTransitionEvent} */ event) => {
    if (!event.persisted) this.#leave(false); // a page that is kept may come back as it was
  };

  /** @param {boolean} isOn */
  #watchPage(isOn) {
    if (isOn === this.#isPageWatched || !globalThis.window) return;
    this.#isPageWatched = isOn;
    const change = isOn ? "addEventListener" : "removeEventListener";
    window[change]("online", this.#look);
    window[change]("pageshow", this.#look);
    window[change]("pagehide", /** @type {EventListener} */ (this.#onPageHide));
    document[change]("visibilitychange", this.#look);
  }

  /** @param {Partial<State>} change */
  #set(change) {
    const former = this.state.getSnapshot();
    const since = change.state && change.state !== former.state ? new Date(this.#now()) : former.since;
    this.state.set(Object.freeze({ ...former, ...change, since }));
  }
}

const isHidden = () => globalThis.document?.visibilityState === "hidden";

/** @param {unknown} error @returns {Problem} */
function problemOfError(error) {
  if (error instanceof UnauthorizedError) return { ...error.problem, isFinal: true };
  if (error instanceof PresenceError) return error.problem;
  return networkProblem("The server cannot be reached.");
}
