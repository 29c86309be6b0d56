/**
 * Presence in the browser: who is online, away, busy or gone, live. See `client.d.ts` for the
 * interface, and `README.md` for an example.
 */
import { Connector } from "./client/connection.js";
import { Credentials } from "./client/credentials.js";
import { durations } from "./client/durations.js";
import { countsOf, membersOf } from "./client/lists.js";
import { Model, toSelf } from "./client/model.js";
import { badRequest, networkProblem, PresenceError, UnauthorizedError } from "./client/problems.js";
import { notify } from "./client/readable.js";
import { Rest } from "./client/rest.js";

/** @typedef {import("./client.js").AutoAway} AutoAway */
/** @typedef {import("./client.js").CallOptions} CallOptions */
/** @typedef {import("./client.js").Change} Change */
/** @typedef {import("./client.js").Explanation} Explanation */
/** @typedef {import("./client.js").MemberOptions} MemberOptions */
/** @typedef {import("./client.js").Options} Options */
/** @typedef {import("./client.js").PresenceClient} PresenceClient */
/** @typedef {import("./client.js").PresenceEvents} PresenceEvents */
/** @typedef {import("./client.js").Self} Self */
/** @typedef {import("./client.js").Until} Until */

export { durations, PresenceError, UnauthorizedError };

export const VERSION = "0.1.0";

const MOST_CHARACTERS = 128;

const requests = () => import("./client/requests.js");

/** @param {Options} [options] @returns {PresenceClient} */
export function createPresence(options = {}) {
  return new Client(options);
}

/** @type {WeakMap<PresenceClient, import("./client/auto_away.js").Subject>} */
const subjects = new WeakMap();

/** @param {PresenceClient} client @param {AutoAway} [options] @returns {() => void} */
export function presenceStore(client, options) {
  return startAutoAway(client, options).stop;
}

/**
 * Auto-away, whose code is loaded only where it is used.
 * @param {PresenceClient} client
 * @param {AutoAway} [options]
 */
function startAutoAway(client, options = {}) {
  const subject = subjects.get(client);
  if (!subject) throw new TypeError("presenceStore needs a client of createPresence");
  let end = () => {};
  let isStopped = false;
  const started = import("./client/auto_away.js").then(({ watchIdleness }) => {
    if (!isStopped) end = watchIdleness(subject, options);
  });
  const stop = () => {
    isStopped = true;
    end();
  };
  return { started, stop };
}

/** @implements {PresenceClient} */
class Client {
  #options;
  #rest;
  #model;
  #connector;
  #device;
  #isIdle = false;
  #isIdleSent = false;
  /** @type {Map<string, Set<(event: any) => void>>} */
  #handlers = new Map();
  #ends = new AbortController();
  /** @type {ReturnType<typeof startAutoAway> | undefined} */
  #autoAway;

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    const base = new URL("./", new URL(options.url ?? import.meta.url, globalThis.location?.href));
    base.protocol = base.protocol.replace("ws", "http");
    this.#device = deviceOf(options);
    const fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
    this.#rest = new Rest(base, new Credentials(options), fetch);
    this.#model = new Model((type, event) => this.#emit(type, event));
    this.#connector = new Connector(options, this.#rest, {
      params: () => this.#params(),
      frame: (frame) => this.#take(frame),
      model: this.#model,
      problem: (problem) => {
        options.log?.(problem.isFinal ? "warn" : "info", problem.message, problem);
        this.#emit("problem", problem);
      },
    });
    this.connection = this.#connector.state;
    this.me = this.#model.me;
    this.servers = this.#model.servers;
    this.connection.subscribe((connection) => this.#emit("connection", connection));
    this.me.subscribe(() => this.#sendIdle());
    const setIdle = (/** @type {boolean} */ isIdle) => this.#setIdle(isIdle);
    subjects.set(this, { me: this.me, base: base.href, setIdle });
  }

  // -- reading ------------------------------------------------------------------------------

  user = (/** @type {string} */ id) => this.#model.cellOf(id);

  members = (/** @type {string} */ serverId, /** @type {MemberOptions} */ options = {}) =>
    membersOf(this.#model, serverId, options);

  counts = (/** @type {string} */ serverId) => countsOf(this.#model, serverId);

  /** @type {PresenceClient["on"]} */
  on = (type, run, { signal } = {}) => {
    const runs = this.#handlers.get(type) ?? new Set();
    this.#handlers.set(type, runs);
    const each = (/** @type {any} */ event) => run(event);
    const remove = () => { runs.delete(each); };
    if (!signal?.aborted) runs.add(each);
    signal?.addEventListener("abort", remove, { once: true });
    return remove;
  };

  // -- the connection -----------------------------------------------------------------------

  connect() {
    if (this.#ends.signal.aborted) throw new TypeError("this client is destroyed");
    const { state } = this.connection.getSnapshot();
    if ((state === "idle" || state === "closed") && this.#options.autoAway !== false) {
      this.#autoAway?.stop();
      this.#autoAway = startAutoAway(this, this.#options.autoAway);
    }
    this.#connector.connect();
  };

  disconnect() {
    this.#autoAway?.stop();
    this.#connector.disconnect();
  };

  destroy() {
    this.disconnect();
    this.#ends.abort();
    this.#handlers.clear();
  };

  [Symbol.dispose ?? Symbol.for("Symbol.dispose")]() {
    this.destroy();
  }

  /** @param {CallOptions} [options] */
  async ready(options = {}) {
    await this.#until(this.connection, ({ state, problem }) => {
      if (state === "closed" && problem) throw errorOf(problem);
      return state === "live";
    }, options);
  }

  // -- commands -----------------------------------------------------------------------------

  /** @param {Change} change @param {CallOptions & {durable?: boolean}} [options] @returns {Promise<Self>} */
  async set(change, options = {}) {
    const body = bodyOf(change, this.#options.now ?? Date.now);
    const isDurable = options.durable || change.appearOffline !== undefined;
    const { state } = this.connection.getSnapshot();
    if (!isDurable && state !== "live" && state !== "idle" && state !== "closed") {
      await this.ready({ timeout: 10_000, ...options });
    }
    const { transport } = this.connection.getSnapshot();
    if (isDurable || transport !== "websocket") {
      return toSelf(await this.#rest.request("users/@me", { ...options, method: "PATCH", body }), false);
    }
    const status = body.status ?? this.me.getSnapshot()?.intent;
    this.#send({ ...body, status });
    return /** @type {Promise<Self>} */ (this.#until(this.me, (me) => !!me && isApplied(me, change), {
      timeout: 10_000, ...options }));
  }

  /** @type {PresenceClient["fetchUsers"]} */
  fetchUsers = async (ids, options) => (await requests()).fetchUsers(this.#rest, ids, options);

  /**
   * @param {string} serverId
   * @param {CallOptions & {after?: string, limit?: number}} [options]
   */
  async *fetchMembers(serverId, { limit = Infinity, ...options } = {}) {
    for await (const page of (await requests()).fetchPages(this.#rest, serverId, options)) {
      for (const user of page) {
        if (limit-- <= 0) return;
        yield user;
      }
    }
  }

  /** @type {PresenceClient["explain"]} */
  explain = async (options) => (await requests()).explain(this.#rest, options);

  // -- what arrives -------------------------------------------------------------------------

  /** @param {any} frame */
  #take(frame) {
    this.#options.log?.("debug", "received", frame);
    if (frame.t === "READY") {
      this.#isIdleSent = this.#isIdle; // the connect request said so
      for (const id of this.#model.ready(this.#chosen(frame.d))) void this.#readPages(id);
    } else if (frame.t !== "SERVER_ADD" || this.#isChosen(frame.d.id)) {
      const id = this.#model.dispatch(frame);
      if (id) void this.#readPages(id);
    }
  }

  /** @param {string} serverId */
  async #readPages(serverId) {
    const signal = this.#ends.signal;
    try {
      for await (const page of (await requests()).fetchPages(this.#rest, serverId, { signal })) {
        this.#model.page(serverId, page);
      }
      this.#model.completePages(serverId);
    } catch (error) {
      this.#options.log?.("warn", `The members of ${serverId} could not all be read.`, error);
    }
  }

  /** READY without the servers that were not asked for. @param {any} d */
  #chosen(d) {
    return { ...d, servers: d.servers.filter((/** @type {any} */ { id }) => this.#isChosen(id)) };
  }

  /** @param {string} serverId */
  #isChosen(serverId) {
    const { servers } = this.#options;
    return !servers || (servers !== "none" && servers.includes(serverId));
  }

  /** @template {keyof PresenceEvents} K @param {K} type @param {PresenceEvents[K]} event */
  #emit(type, event) {
    for (const run of [...this.#handlers.get(type) ?? []]) notify(run, event);
  }

  // -- the state of this connection -----------------------------------------------------------

  /** The parameters of the connect request: a reconnect shows others nothing. */
  async #params() {
    await this.#autoAway?.started.catch((error) => {
      this.#options.log?.("warn", "Auto-away could not be loaded.", error);
    });
    const { initial } = this.#options;
    const me = this.me.getSnapshot();
    const status = me ? me.intent : initial?.status;
    const state = this.#isIdle ? "idle" : initial?.state;
    return /** @type {Record<string, string>} */ ({
      ...(this.#device ? { device: this.#device } : {}),
      ...(status ? { status } : {}),
      ...(state ? { state } : {}),
    });
  }

  /** @param {object} d */
  #send(d) {
    const frame = { op: "PRESENCE_UPDATE", d };
    this.#options.log?.("debug", "sent", frame);
    this.#connector.send(frame);
  }

  /** @param {boolean} isIdle */
  #setIdle(isIdle) {
    this.#isIdle = isIdle;
    this.#model.setIdle(isIdle);
    this.#sendIdle();
  }

  /** Says that the connection is idle, or back; idle only where the status was not set by hand. */
  #sendIdle() {
    const me = this.me.getSnapshot();
    const { state, transport } = this.connection.getSnapshot();
    if (state !== "live" || !me || this.#isIdle === this.#isIdleSent) return;
    if (this.#isIdle && me.intent !== "online") return;
    this.#isIdleSent = this.#isIdle;
    const d = this.#isIdle ? { status: "away", afk: true } : { afk: false };
    if (transport === "websocket") this.#send(d);
    else if (this.#device) void this.#sendState(me.id, this.#device);
  }

  /** @param {string} id @param {string} device */
  async #sendState(id, device) {
    try {
      await (await requests()).setState(this.#rest, id, device, this.#isIdle ? "idle" : "online");
    } catch (error) {
      this.#options.log?.("warn", "The state of the device could not be set.", error);
    }
  }

  /**
   * The first value of *readable* for which *isReached*.
   * @template T
   * @param {import("./client.js").Readable<T>} readable
   * @param {(value: T) => boolean} isReached
   * @param {CallOptions} options
   * @returns {Promise<T>}
   */
  #until(readable, isReached, { signal, timeout }) {
    const limit = timeout ? AbortSignal.timeout(timeout) : this.#ends.signal;
    const end = AbortSignal.any([this.#ends.signal, limit, signal ?? limit]);
    return new Promise((resolve, reject) => {
      const settle = (/** @type {() => void} */ how) => {
        queueMicrotask(() => unsubscribe());
        end.removeEventListener("abort", onAbort);
        how();
      };
      const onAbort = () => settle(() => reject(timeout && limit.aborted
        ? new PresenceError(networkProblem("The server has not applied this in time.")) : end.reason));
      const unsubscribe = readable.subscribe((value) => {
        try {
          if (isReached(value)) settle(() => resolve(value));
        } catch (error) {
          settle(() => reject(error));
        }
      });
      end.addEventListener("abort", onAbort);
      if (end.aborted) onAbort();
    });
  }
}

/** @param {Options} options */
function deviceOf({ device = "browser", storage }) {
  if (device !== "browser") return device;
  try {
    const kept = storage === undefined ? globalThis.localStorage : storage;
    if (!kept) return null;
    let id = kept.getItem("presence:device");
    if (!id) {
      id = `browser-${crypto.getRandomValues(new Uint32Array(2)).join("-")}`;
      kept.setItem("presence:device", id);
    }
    return id;
  } catch {
    return null; // storage is forbidden here: each connection is a device of its own
  }
}

/** @param {Until | null} until @param {string} field @param {() => number} now */
function momentOf(until, field, now) {
  if (until === null) return null;
  const at = typeof until === "number" ? now() + until * 1_000 : new Date(until).getTime();
  if (!(at > now())) throw badRequest(field, "must be in the future");
  return typeof until === "number" ? until : new Date(at).toISOString();
}

/** @param {string | null} text @param {string} field */
function textOf(text, field) {
  if (text !== null && [...text].length > MOST_CHARACTERS) {
    throw badRequest(field, `is longer than ${MOST_CHARACTERS} characters`);
  }
  return text;
}

/** @type {Record<string, [string, ((value: any, field: string, now: () => number) => any)?]>} */
const FIELDS = {
  status: ["status"], appearOffline: ["appear_offline"], until: ["until", momentOf],
  customStatus: ["custom_status", textOf], activity: ["activity", textOf],
  customStatusUntil: ["custom_status_until", momentOf],
};

/** The change as the server takes it; what is left out stays. @param {any} change @param {() => number} now */
function bodyOf(change, now) {
  /** @type {Record<string, any>} */
  const body = {};
  for (const [key, [name, read]] of Object.entries(FIELDS)) {
    const value = change[key];
    if (value !== undefined) body[name] = read ? read(value, key, now) : value;
  }
  return body;
}

/** @param {Self} me @param {Change} change */
const isApplied = (me, { status, customStatus, activity, until }) => [
  [status, me.intent], [customStatus, me.customStatus], [activity, me.activity],
  [until && true, me.until && true],
].every(([wanted, is]) => wanted === undefined || (wanted || null) === is);

/** @param {import("./client.js").Problem} problem */
const errorOf = (problem) => (problem.code === "unauthorized"
  ? new UnauthorizedError(problem.message) : new PresenceError(problem));
