/** @typedef {import("../client.js").Problem} Problem */
/** @typedef {import("./model.js").Model} Model */
/** @typedef {import("./socket.js").Handlers} Handlers */
/** @typedef {import("./socket.js").Transport} Transport */
/** @typedef {Handlers & {refuse: (problem: Problem) => void}} AllHandlers */

/** Ends a connection that another tab takes over: no goodbye, so that the user stays shown. */
const HANDED_OVER = 3000;

/**
 * One connection for all tabs that use the same name. The tab that holds a lock of that name
 * connects; it passes on what arrives, and sends what the others give it. When it goes, the lock
 * passes to the next tab, which connects in its place.
 * @param {string} name
 * @param {(handlers: AllHandlers) => Promise<Transport>} openOwn
 * @param {Model} model what this tab knows, which a tab that comes later gets as its READY
 * @param {AllHandlers} handlers
 * @returns {Transport}
 */
export function openShared(name, openOwn, model, handlers) {
  const tab = new SharedTab(name, openOwn, model, handlers);
  return { send: (frame) => tab.send(frame), close: (code) => tab.close(code) };
}

class SharedTab {
  #id = crypto.randomUUID();
  #channel;
  #openOwn;
  #model;
  #handlers;
  #waiting = new AbortController();
  /** @type {Transport | null} the connection, in the tab that holds the lock */
  #own = null;
  #isLeader = false;
  #isReady = false;
  #isClosed = false;
  /** @type {Set<string>} */
  #followers = new Set();
  #release = () => {};

  /**
   * @param {string} name
   * @param {(handlers: AllHandlers) => Promise<Transport>} openOwn
   * @param {Model} model
   * @param {AllHandlers} handlers
   */
  constructor(name, openOwn, model, handlers) {
    this.#openOwn = openOwn;
    this.#model = model;
    this.#handlers = handlers;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }) => {
      if (this.#isClosed) return;
      if (data.end) this.#end(data.end);
      else if (this.#isLeader) this.#lead(data);
      else this.#follow(data);
    };
    this.#post({ join: true });
    navigator.locks.request(name, { signal: this.#waiting.signal }, () => this.#hold()).catch(() => {});
  }

  /** @param {any} frame */
  send(frame) {
    if (this.#own) this.#own.send(frame);
    // All tabs agree on whether the user is idle; the one that is connected says so.
    else if (frame.d?.afk === undefined) this.#post({ send: frame });
  }

  /** @param {number} [code] */
  close(code) {
    if (this.#isClosed) return;
    this.#post({ bye: true });
    this.#own?.close(this.#followers.size > 0 ? HANDED_OVER : code);
    this.#leave();
  }

  // -- the tab that is connected --------------------------------------------------------------

  /** Connects, and holds the lock until this tab leaves. */
  async #hold() {
    if (this.#isClosed) return;
    this.#isLeader = true;
    this.#isReady = false;
    this.#post({ leader: true });
    const released = new Promise((resolve) => { this.#release = () => resolve(undefined); });
    const own = await this.#openOwn({
      open: () => this.#handlers.open(),
      frame: (frame) => this.#pass(frame),
      end: (end) => {
        this.#post({ end });
        this.#leave();
        this.#handlers.end(end);
      },
      refuse: (problem) => {
        this.#post({ end: { code: 1006, reason: "", wasOpen: true } });
        this.#leave();
        this.#handlers.refuse(problem);
      },
    });
    if (this.#isClosed) own.close(1000);
    else this.#own = own;
    await released;
  }

  /** @param {any} frame */
  #pass(frame) {
    this.#isReady ||= frame.t === "READY";
    this.#handlers.frame(frame);
    this.#post({ frame });
  }

  /** @param {any} message */
  #lead({ from, join, bye, send }) {
    if (join) this.#followers.add(from);
    if (join && this.#isReady) this.#post({ frame: readyOf(this.#model), to: from });
    if (bye) this.#followers.delete(from);
    if (send) this.#own?.send(send);
  }

  // -- the others -------------------------------------------------------------------------------

  /** @param {any} message */
  #follow({ to = this.#id, frame, leader }) {
    if (to !== this.#id) return;
    if (leader) this.#post({ join: true });
    this.#isReady ||= frame?.t === "READY";
    if (frame && this.#isReady) this.#handlers.frame(frame);
  }

  /**
   * The connection has ended. Its lock may have come to this tab before it learnt of that.
   * @param {{code: number, reason: string, wasOpen: boolean}} end
   */
  #end(end) {
    this.#own?.close(HANDED_OVER);
    this.#leave();
    this.#handlers.end(end);
  }

  /** @param {object} message */
  #post(message) {
    this.#channel.postMessage({ ...message, from: this.#id });
  }

  #leave() {
    this.#isClosed = true;
    this.#waiting.abort();
    this.#release();
    this.#channel.close();
  }
}

/** READY as the server would send it now. @param {Model} model */
function readyOf(model) {
  const servers = [...model.servers.getSnapshot().values()].map(({ id, name, isComplete }) => ({
    id, name, members: model.membersOf(id).map(toRaw),
    ...(isComplete ? {} : { large: true, member_count: model.countOf(id) }),
  }));
  return { op: "DISPATCH", t: "READY", d: { user: model.ownRaw, servers } };
}

/** @param {import("../client.js").User} user */
const toRaw = ({ id, username, status, customStatus, activity, version }) => (
  { user_id: id, username, status, custom_status: customStatus, activity, version });
