import { Cell } from "./readable.js";

/** @typedef {import("../client.js").User} User */
/** @typedef {import("../client.js").Self} Self */
/** @typedef {import("../client.js").Server} Server */
/** @typedef {import("../client.js").PresenceEvents} PresenceEvents */
/** @typedef {<K extends keyof PresenceEvents>(type: K, event: PresenceEvents[K]) => void} Emit */
/** @typedef {(user?: User, previous?: User) => void} Watcher both left out: anything may differ */

/**
 * What is known of one server. While pages of it are read, `unconfirmed` are members of before
 * that no page has named yet, and `removed` those that left meanwhile. `wasComplete`: a member
 * that was not known is a new one.
 * @typedef {{name: string, count: number, isComplete: boolean, wasComplete: boolean,
 *   ids: Set<string>, unconfirmed: Set<string>, removed: Set<string>, revision: number,
 *   watchers: Set<Watcher>}} Room
 */

/** @param {any} raw @returns {User} */
export function toUser(raw) {
  return Object.freeze({
    id: raw.user_id ?? raw.id, username: raw.username, status: raw.status,
    customStatus: raw.custom_status, activity: raw.activity, version: raw.version,
  });
}

/** @param {any} raw @param {boolean} isIdle @returns {Self} */
export function toSelf(raw, isIdle) {
  const date = (/** @type {string | null} */ text) => (text ? new Date(text) : null);
  return Object.freeze({
    id: raw.id, username: raw.username, status: raw.status, intent: raw.intent,
    until: date(raw.until), appearOffline: raw.appear_offline, customStatus: raw.custom_status,
    customStatusUntil: date(raw.custom_status_until), activity: raw.activity,
    isAutoAway: isIdle && raw.intent === "online" && !raw.appear_offline,
  });
}

/** @param {User} a @param {User} b */
const looksLike = (a, b) => a.status === b.status && a.customStatus === b.customStatus
  && a.activity === b.activity && a.username === b.username;

/** What the server has told: oneself, servers and their members. */
export class Model {
  /** @type {Cell<Self | null>} */
  me = new Cell(/** @type {Self | null} */ (null));
  /** @type {Cell<ReadonlyMap<string, Server>>} */
  servers = new Cell(/** @type {ReadonlyMap<string, Server>} */ (new Map()));
  /** @type {Map<string, Room>} */
  #rooms = new Map();
  /** @type {Map<string, User>} */
  #users = new Map();
  /** @type {Map<string, number>} the newest version of each user, which may look as before */
  #versions = new Map();
  /** @type {Map<string, Cell<User | undefined>>} */
  #cells = new Map();
  /** @type {Map<string, {d: any, v: number}>} updates of members that no page has named yet */
  #early = new Map();
  /** @type {any} the self view as it was sent */
  ownRaw = null;
  #isIdle = false;
  #isReady = false;
  #changed = 0;
  #clock = 0;
  /** @type {(() => void)[]} events wait here until all that was said has been taken in */
  #events = [];
  #emitNow;

  /** @param {Emit} emit */
  constructor(emit) {
    this.#emitNow = emit;
  }

  // -- reading ------------------------------------------------------------------------------

  /** The same object for the same id. @param {string} id */
  cellOf(id) {
    let cell = this.#cells.get(id);
    if (!cell) this.#cells.set(id, cell = new Cell(this.#users.get(id)));
    return cell;
  }

  /** @param {string} serverId @returns {User[]} */
  membersOf(serverId) {
    const ids = this.#rooms.get(serverId)?.ids ?? [];
    return [...ids].map((id) => /** @type {User} */ (this.#users.get(id)));
  }

  /** @param {string} serverId */
  countOf(serverId) {
    const room = this.#rooms.get(serverId);
    return room ? Math.max(room.count, room.ids.size) : 0;
  }

  /** A number that differs after each change of the server or its members. @param {string} id */
  revisionOf(id) {
    return this.#rooms.get(id)?.revision ?? -2;
  }

  /** @param {string} serverId @param {Watcher} watcher @returns {() => void} */
  watch(serverId, watcher) {
    const room = this.#rooms.get(serverId) ?? this.#newRoom(serverId, "");
    room.watchers.add(watcher);
    return () => {
      room.watchers.delete(watcher);
      this.#dropUnused(serverId);
    };
  }

  // -- what the server says -------------------------------------------------------------------

  /** Takes a snapshot; returns the ids of servers of which pages are still to come. @param {any} d */
  ready(d) {
    const isCatchUp = this.#isReady;
    this.#isReady = true;
    this.#changed = 0;
    this.#early.clear();
    this.setSelf(d.user);
    const listed = new Set(d.servers.map((/** @type {any} */ raw) => raw.id));
    for (const id of this.servers.getSnapshot().keys()) if (!listed.has(id)) this.#removeServer(id);
    for (const raw of d.servers) this.#putServer(raw, isCatchUp);
    this.#emit("sync", { changed: this.#changed });
    this.#flush();
    return d.servers.filter((/** @type {any} */ raw) => raw.large).map(
      (/** @type {any} */ raw) => raw.id);
  }

  /**
   * Takes an event; returns the id of a server of which pages are still to come.
   * @param {any} frame a DISPATCH other than READY
   * @returns {string | undefined}
   */
  dispatch({ t, d, v }) {
    if (t === "PRESENCE_UPDATE") {
      if ("id" in d) this.setSelf(d);
      else this.#updateUser(d, v);
    } else if (t === "SERVER_ADD") this.#putServer(d, false);
    else if (t === "SERVER_REMOVE") this.#removeServer(d.server_id);
    else if (t === "SERVER_MEMBER_ADD") this.#addMember(d.server_id, toUser(d.member));
    else if (t === "SERVER_MEMBER_REMOVE") this.#removeMember(d.server_id, d.user_id);
    this.#flush();
    return t === "SERVER_ADD" && d.large ? d.id : undefined;
  }

  /** Takes members that were read in pages. @param {string} serverId @param {Iterable<User>} users */
  page(serverId, users) {
    const room = this.#rooms.get(serverId);
    if (!room) return;
    for (const user of users) {
      if (room.removed.has(user.id)) continue; // it left while the page was on its way
      if (user.version > this.#versionOf(user.id)) this.#putUser(user, true);
      if (room.wasComplete && !room.ids.has(user.id)) this.#emit("memberadd", { serverId, user });
      room.ids.add(user.id);
      room.unconfirmed.delete(user.id);
      const early = this.#early.get(user.id);
      if (early) this.#updateUser(early.d, early.v);
    }
    this.#touch(room);
    this.#flush();
  }

  /** All pages were read: who was not in them has left. @param {string} serverId */
  completePages(serverId) {
    const room = this.#rooms.get(serverId);
    if (!room) return;
    for (const id of room.unconfirmed) this.#removeMember(serverId, id);
    room.isComplete = true;
    room.count = room.ids.size;
    room.removed.clear();
    if ([...this.#rooms.values()].every((each) => each.isComplete)) this.#early.clear();
    this.#publish(serverId);
    this.#flush();
  }

  /** @param {any} raw the self view as it was sent */
  setSelf(raw) {
    this.ownRaw = raw;
    this.me.set(toSelf(raw, this.#isIdle));
    const known = this.#users.get(raw.id);
    if (!known) return;
    // The server sends oneself no public view: it follows from the self view.
    const isHidden = raw.appear_offline || raw.intent === "offline";
    const status = isHidden ? "offline" : raw.status;
    this.#putUser(toUser({ ...raw, status, version: known.version }), false);
    this.#flush();
  }

  /** @param {boolean} isIdle */
  setIdle(isIdle) {
    this.#isIdle = isIdle;
    const me = this.me.getSnapshot();
    if (me && toSelf(this.ownRaw, isIdle).isAutoAway !== me.isAutoAway) this.setSelf(this.ownRaw);
  }

  // -- changes --------------------------------------------------------------------------------

  /** @template {keyof PresenceEvents} K @param {K} type @param {PresenceEvents[K]} event */
  #emit(type, event) {
    this.#events.push(() => this.#emitNow(type, event));
  }

  #flush() {
    const events = this.#events;
    this.#events = [];
    for (const emit of events) emit();
  }

  /** @param {string} id */
  #versionOf(id) {
    return this.#versions.get(id) ?? -1;
  }

  /** @param {string} id @param {string} name @returns {Room} */
  #newRoom(id, name) {
    /** @type {Room} */
    const room = { name, count: 0, isComplete: true, wasComplete: false, ids: new Set(), unconfirmed: new Set(),
      removed: new Set(), revision: 0, watchers: new Set() };
    this.#rooms.set(id, room);
    return room;
  }

  /** @param {any} raw @param {boolean} isCatchUp */
  #putServer(raw, isCatchUp) {
    const isNew = !this.servers.getSnapshot().has(raw.id);
    const room = this.#rooms.get(raw.id) ?? this.#newRoom(raw.id, raw.name);
    const former = room.ids;
    room.ids = new Set();
    room.removed.clear();
    room.name = raw.name;
    room.wasComplete = !isNew && room.isComplete;
    room.isComplete = !raw.large;
    for (const user of raw.members.map(toUser)) {
      // A snapshot replaces: after a restore the server's versions may be lower.
      if (isCatchUp || user.version >= this.#versionOf(user.id)) this.#putUser(user, isCatchUp);
      room.ids.add(user.id);
      if (room.wasComplete && !former.has(user.id)) this.#emit("memberadd", { serverId: raw.id, user });
    }
    const missing = [...former].filter((id) => !room.ids.has(id));
    for (const id of missing) room.ids.add(id);
    room.unconfirmed = new Set(missing);
    room.count = raw.member_count ?? raw.members.length;
    if (!raw.large) for (const id of missing) this.#removeMember(raw.id, id);
    this.#touch(room);
    this.#publish(raw.id);
  }

  /** @param {string} id */
  #removeServer(id) {
    const room = this.#rooms.get(id);
    if (!room || !this.servers.getSnapshot().has(id)) return;
    const ids = room.ids;
    room.ids = new Set();
    room.count = 0;
    for (const each of ids) this.#dropUnseen(each);
    this.#touch(room);
    const servers = new Map(this.servers.getSnapshot());
    servers.delete(id);
    this.servers.set(servers);
    this.#dropUnused(id);
    this.#emit("serverremove", { serverId: id });
  }

  /** @param {string} serverId @param {User} user */
  #addMember(serverId, user) {
    const room = this.#rooms.get(serverId);
    if (!room) return;
    // The same version again tells of a new username.
    if (user.version >= this.#versionOf(user.id)) this.#putUser(user, false);
    room.removed.delete(user.id);
    room.unconfirmed.delete(user.id);
    if (room.ids.has(user.id)) return;
    room.ids.add(user.id);
    room.count += 1;
    this.#touch(room);
    this.#publish(serverId);
    this.#emit("memberadd", { serverId, user });
  }

  /** @param {string} serverId @param {string} userId */
  #removeMember(serverId, userId) {
    const room = this.#rooms.get(serverId);
    if (!room) return;
    room.removed.add(userId);
    room.unconfirmed.delete(userId);
    if (room.ids.delete(userId)) room.count -= 1;
    else if (room.isComplete) return;
    this.#dropUnseen(userId);
    this.#touch(room);
    this.#publish(serverId);
    this.#emit("memberremove", { serverId, userId });
  }

  /** @param {any} d @param {number} version */
  #updateUser(d, version) {
    const known = this.#users.get(d.user_id);
    if (!known) this.#early.set(d.user_id, { d, v: version });
    if (!known || version <= this.#versionOf(d.user_id)) return;
    this.#putUser(toUser({ ...d, username: known.username, version }), false);
  }

  /** @param {User} user @param {boolean} isCatchUp */
  #putUser(user, isCatchUp) {
    const { id } = user;
    this.#versions.set(id, user.version);
    const previous = this.#users.get(id);
    if (previous && looksLike(previous, user)) return;
    this.#users.set(id, user);
    if (previous) this.#changed += 1;
    this.#cells.get(id)?.set(user);
    for (const room of this.#rooms.values()) if (room.ids.has(id)) this.#touch(room, user, previous);
    if (previous) this.#emit("change", { user, previous, isCatchUp });
  }

  /** @param {string} id */
  #dropUnseen(id) {
    for (const room of this.#rooms.values()) if (room.ids.has(id)) return;
    this.#users.delete(id);
    this.#versions.delete(id);
    this.#cells.get(id)?.set(undefined);
  }

  /** @param {string} serverId */
  #dropUnused(serverId) {
    const isUsed = this.servers.getSnapshot().has(serverId) || this.#rooms.get(serverId)?.watchers.size;
    if (!isUsed) this.#rooms.delete(serverId);
  }

  /** @param {Room} room @param {User} [user] @param {User} [previous] */
  #touch(room, user, previous) {
    room.revision = ++this.#clock;
    for (const watcher of [...room.watchers]) watcher(user, previous);
  }

  /** Tells of a server, unless it is as it was told. @param {string} id */
  #publish(id) {
    const room = /** @type {Room} */ (this.#rooms.get(id));
    const known = this.servers.getSnapshot().get(id);
    const { name, isComplete } = room;
    const memberCount = this.countOf(id);
    if (known?.name === name && known.memberCount === memberCount
      && known.isComplete === isComplete) return;
    const server = Object.freeze({ id, name, memberCount, isComplete });
    this.servers.set(new Map(this.servers.getSnapshot()).set(id, server));
    if (!known) this.#emit("serveradd", server);
  }
}
