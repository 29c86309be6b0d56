/**
 * Presence in the browser: who is online, away, busy or gone, live. See `client.d.ts` for the
 * interface, and `README.md` for an example.
 */
import { idleSetters, presenceStore } from "./client/auto_away.js";
import { Connector } from "./client/connection.js";
import { Credentials } from "./client/credentials.js";
import { durations } from "./client/durations.js";
import { countsOf, membersOf } from "./client/lists.js";
import { Model, toSelf, toUser } from "./client/model.js";
import { badRequest, PresenceError, UnauthorizedError } from "./client/problems.js";
import { notify } from "./client/readable.js";
import { Rest } from "./client/rest.js";

/** @typedef {import("./client.js").CallOptions} CallOptions */
/** @typedef {import("./client.js").Change} Change */
/** @typedef {import("./client.js").Explanation} Explanation */
/** @typedef {import("./client.js").MemberOptions} MemberOptions */
/** @typedef {import("./client.js").Options} Options */
/** @typedef {import("./client.js").PresenceClient} PresenceClient */
/** @typedef {import("./client.js").PresenceEvents} PresenceEvents */
/** @typedef {import("./client.js").Self} Self */
/** @typedef {import("./client.js").Until} Until */
/** @typedef {import("./client.js").User} User */

export { durations, PresenceError, presenceStore, UnauthorizedError };

export const VERSION = "0.1.0";

const MOST_IDS = 500;
const MOST_CHARACTERS = 128;

/** @param {Options} [options] @returns {PresenceClient} */
export function createPresence(options = {}) {
  return new Client(options);
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
  #stopAutoAway = () => {};

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
    idleSetters.set(this, { base: base.href, setIdle: (isIdle) => this.#setIdle(isIdle) });
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

  connect = () => {
    if (this.#ends.signal.aborted) throw new TypeError("this client is destroyed");
    const { state } = this.connection.getSnapshot();
    if ((state === "idle" || state === "closed") && this.#options.autoAway !== false) {
      this.#stopAutoAway();
      this.#stopAutoAway = presenceStore(this, this.#options.autoAway);
    }
    this.#connector.connect();
  };

  disconnect = () => {
    this.#stopAutoAway();
    this.#stopAutoAway = () => {};
    this.#connector.disconnect();
  };

  destroy = () => {
    this.disconnect();
    this.#ends.abort();
    this.#handlers.clear();
  };

  [Symbol.dispose ?? Symbol.for("Symbol.dispose")]() {
    this.destroy();
  }

  /** @param {CallOptions} [options] */
  ready = async (options) => {
    await this.#until(this.connection, ({ state, problem }) => {
      if (state === "closed" && problem) throw errorOf(problem);
      return state === "live";
    }, { timeout: Infinity, ...options });
  };

  // -- commands -----------------------------------------------------------------------------

  /** @type {PresenceClient["set"]} */
  set = async (change, options = {}) => {
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
    return /** @type {Promise<Self>} */ (this.#until(this.me, (me) => !!me && isApplied(me, body), {
      timeout: 10_000, ...options }));
  };

  /** @type {PresenceClient["fetchUsers"]} */
  fetchUsers = async (ids, options) => {
    const all = [...ids];
    const pages = [];
    for (let start = 0; start < all.length; start += MOST_IDS) {
      const body = { ids: all.slice(start, start + MOST_IDS) };
      pages.push(await this.#rest.request("users/presence", { ...options, method: "POST", body }));
    }
    return pages.flatMap((page) => page.users.map(toUser));
  };

  /** @type {PresenceClient["fetchMembers"]} */
  fetchMembers = async function* (/** @type {Client} */ client, /** @type {string} */ serverId,
    /** @type {any} */ { after, limit = Infinity, ...options } = {}) {
    for await (const page of client.#pages(serverId, after, options)) {
      for (const user of page) {
        if (limit-- <= 0) return;
        yield user;
      }
    }
  }.bind(null, this);

  /** @type {PresenceClient["explain"]} */
  explain = async (options) => {
    const raw = await this.#rest.request("users/@me/explain", options);
    return {
      status: raw.status,
      because: raw.because.map((/** @type {any} */ { kind, name, says, is_deciding, until }) => (
        { kind, name, says, isDeciding: is_deciding, until: until && new Date(until) })),
      next: raw.next && { ...raw.next, at: new Date(raw.next.at) },
    };
  };

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
      for await (const page of this.#pages(serverId, undefined, { signal })) {
        this.#model.page(serverId, page);
      }
      this.#model.completePages(serverId);
    } catch (error) {
      this.#options.log?.("warn", `The members of ${serverId} could not all be read.`, error);
    }
  }

  /** @param {string} serverId @param {string | undefined} after @param {CallOptions} options */
  async *#pages(serverId, after, options) {
    for (let isLast = false; !isLast;) {
      const query = new URLSearchParams({ limit: `${MOST_IDS}`, ...(after ? { after } : {}) });
      const path = `servers/${encodeURIComponent(serverId)}/members?${query}`;
      const { members } = await this.#rest.request(path, options);
      yield /** @type {User[]} */ (members.map(toUser));
      isLast = members.length < MOST_IDS;
      after = members.at(-1)?.user_id;
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
  #params() {
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
    else if (this.#device) {
      const path = `presence/${encodeURIComponent(me.id)}/devices/${encodeURIComponent(this.#device)}`;
      const body = { state: this.#isIdle ? "idle" : "online" };
      this.#rest.request(path, { method: "PUT", body }).catch((error) => {
        this.#options.log?.("warn", "The state of the device could not be set.", error);
      });
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
  #until(readable, isReached, { signal, timeout = Infinity }) {
    return new Promise((resolve, reject) => {
      const ends = [this.#ends.signal, ...(signal ? [signal] : [])];
      const settle = (/** @type {() => void} */ end) => {
        clearTimeout(timer);
        for (const each of ends) each.removeEventListener("abort", onAbort);
        queueMicrotask(() => unsubscribe());
        end();
      };
      const onAbort = () => settle(() => reject(
        ends.find((each) => each.aborted)?.reason ?? new DOMException("aborted", "AbortError")));
      const timer = timeout === Infinity ? undefined : setTimeout(() => settle(() => reject(
        new PresenceError({ code: "network", isFinal: false,
          message: "The server has not applied this in time." }))), timeout);
      for (const each of ends) each.addEventListener("abort", onAbort);
      const unsubscribe = readable.subscribe((value) => {
        try {
          if (isReached(value)) settle(() => resolve(value));
        } catch (error) {
          settle(() => reject(error));
        }
      });
      if (ends.some((each) => each.aborted)) onAbort();
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

/** @param {Until | null} until @param {() => number} now @param {string} field */
function momentOf(until, now, field) {
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

/** The change as the server takes it; what is left out stays. @param {Change} change @param {() => number} now */
function bodyOf(change, now) {
  /** @type {Record<string, any>} */
  const body = {};
  if (change.status !== undefined) body.status = change.status;
  if (change.until !== undefined) body.until = momentOf(change.until, now, "until");
  if (change.customStatus !== undefined) body.custom_status = textOf(change.customStatus, "customStatus");
  if (change.customStatusUntil !== undefined) {
    body.custom_status_until = momentOf(change.customStatusUntil, now, "customStatusUntil");
  }
  if (change.activity !== undefined) body.activity = textOf(change.activity, "activity");
  if (change.appearOffline !== undefined) body.appear_offline = change.appearOffline;
  return body;
}

/** @param {Self} me @param {Record<string, any>} body */
const isApplied = (me, body) => (body.status === undefined || me.intent === body.status)
  && (body.custom_status === undefined || (me.customStatus ?? "") === (body.custom_status ?? ""))
  && (body.activity === undefined || (me.activity ?? "") === (body.activity ?? ""))
  && (body.until === undefined || !me.until === !body.until);

/** @param {import("./client.js").Problem} problem */
const errorOf = (problem) => (problem.code === "unauthorized"
  ? new UnauthorizedError(problem.message) : new PresenceError(problem));
