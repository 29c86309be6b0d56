/** React hooks over the stores of a presence client. */
import { createContext, createElement, useContext, useEffect, useMemo, useRef, useSyncExternalStore }
  from "react";
import { orderOf } from "./client/lists.js";

/** @typedef {import("./client.js").MemberOptions} MemberOptions */
/** @typedef {import("./client.js").PresenceClient} PresenceClient */
/** @typedef {import("./client.js").Self} Self */
/** @typedef {import("./client.js").User} User */
/** @template T @typedef {import("./client.js").Readable<T>} Readable */

const Context = createContext(/** @type {PresenceClient | null} */ (null));

/** @type {typeof import("./react.js").PresenceProvider} */
export function PresenceProvider({ client, children }) {
  return createElement(Context.Provider, { value: client }, children);
}

export function usePresence() {
  const client = useContext(Context);
  if (!client) throw new Error("usePresence needs a PresenceProvider above it");
  return client;
}

/** @template T @param {Readable<T>} readable */
const useReadable = (readable) => useSyncExternalStore(
  readable.subscribe, readable.getSnapshot, readable.getServerSnapshot);

/**
 * @param {(me: Self | null) => any} [select]
 * @param {(a: any, b: any) => boolean} [isEqual]
 */
export function useSelf(select = (me) => me, isEqual = Object.is) {
  const { me } = usePresence();
  const last = useRef(/** @type {{value: any} | null} */ (null));
  const pick = (/** @type {Self | null} */ value) => {
    const next = select(value);
    if (!last.current || !isEqual(last.current.value, next)) last.current = { value: next };
    return last.current.value;
  };
  return useSyncExternalStore(
    me.subscribe, () => pick(me.getSnapshot()), () => pick(me.getServerSnapshot()));
}

/** @param {string} id */
export function useUser(id) {
  return useReadable(usePresence().user(id));
}

/** @param {string} [serverId] @param {MemberOptions} [options] */
export function useOthers(serverId, options = {}) {
  const client = usePresence();
  const { statuses, sort, limit } = options;
  const wanted = statuses?.join();
  const readable = useMemo(() => {
    const others = { ...options, includeSelf: options.includeSelf ?? false };
    return serverId === undefined ? everybody(client, others) : client.members(serverId, others);
  }, [client, serverId, wanted, sort, limit, options.includeSelf]);
  return useReadable(readable);
}

/** @param {string} serverId */
export function useCounts(serverId) {
  const client = usePresence();
  return useReadable(useMemo(() => client.counts(serverId), [client, serverId]));
}

export function useConnection() {
  return useReadable(usePresence().connection);
}

/** @type {typeof import("./react.js").usePresenceEvent} */
export function usePresenceEvent(type, run) {
  const client = usePresence();
  const newest = useRef(run);
  useEffect(() => { newest.current = run; });
  useEffect(() => client.on(type, (event) => newest.current(event)), [client, type]);
}

/**
 * The members of all servers, each once.
 * @param {PresenceClient} client
 * @param {MemberOptions} options
 * @returns {Readable<readonly User[]>}
 */
function everybody(client, options) {
  /** @type {Map<string, Readable<readonly User[]>>} */
  const lists = new Map();
  /** @type {readonly (readonly User[])[]} */
  let parts = [];
  /** @type {readonly User[]} */
  let users = Object.freeze([]);
  const listOf = (/** @type {string} */ id) => {
    const list = lists.get(id) ?? client.members(id, options);
    lists.set(id, list);
    return list;
  };
  const getSnapshot = () => {
    const next = [...client.servers.getSnapshot().keys()].map((id) => listOf(id).getSnapshot());
    if (next.length !== parts.length || next.some((part, index) => part !== parts[index])) {
      parts = next;
      const seen = new Map(next.flat().map((user) => [user.id, user]));
      users = Object.freeze(
        [...seen.values()].sort(orderOf(options.sort)).slice(0, options.limit));
    }
    return users;
  };
  /** @type {Readable<readonly User[]>["subscribe"]} */
  const subscribe = (run) => {
    /** @type {(() => void)[]} */
    let ends = [];
    const tell = () => run(getSnapshot());
    const follow = () => {
      for (const end of ends) end();
      ends = [...client.servers.getSnapshot().keys()].map((id) => listOf(id).subscribe(tell));
    };
    const unsubscribe = client.servers.subscribe(follow);
    tell();
    return () => {
      unsubscribe();
      for (const end of ends) end();
    };
  };
  return { subscribe, getSnapshot, getServerSnapshot: () => users };
}
