/**
 * Presence in the browser: who is online, away, busy or gone, live.
 *
 * ```js
 * import { createPresence } from "/client.js";
 *
 * const presence = createPresence({ getToken: () => fetch("/my-token").then((r) => r.text()) });
 * presence.user("bob").subscribe((bob) => render(bob?.status ?? "offline"));
 * presence.connect();
 * ```
 */

/** `offline`: invisible where it is set, gone or invisible where it is seen. */
export type Status = "online" | "away" | "dnd" | "offline";

/** When something ends: a moment, RFC 3339, or seconds from now. */
export type Until = Date | string | number;

/** A user as others see it. */
export interface User {
  readonly id: string;
  readonly username: string;
  readonly status: Status;
  readonly customStatus: string | null;
  readonly activity: string | null;
  readonly version: number;
}

/** Oneself. `status` is what counts now, `intent` what was chosen by hand. */
export interface Self {
  readonly id: string;
  readonly username: string;
  readonly status: Status;
  readonly intent: Status;
  readonly until: Date | null;
  readonly appearOffline: boolean;
  readonly customStatus: string | null;
  readonly customStatusUntil: Date | null;
  readonly activity: string | null;
  readonly isAutoAway: boolean;
}

export interface Server {
  readonly id: string;
  readonly name: string;
  readonly memberCount: number;
  /** False while pages of a large server are still to come. */
  readonly isComplete: boolean;
}

export type Counts = Readonly<Record<Status | "total", number>>;

export type ConnectionState = "idle" | "connecting" | "live" | "reconnecting" | "closed";

export interface Connection {
  readonly state: ConnectionState;
  readonly since: Date;
  /** What is shown may be old: without a connection for longer than `staleAfter`. */
  readonly isStale: boolean;
  /** How old what is shown is: when the connection was lost; null while it is live. */
  readonly liveUntil: Date | null;
  readonly attempt: number;
  readonly retryAt: Date | null;
  readonly transport: "websocket" | "events" | null;
  readonly problem: Problem | null;
}

export type ProblemCode =
  | "unauthorized"
  | "forbidden-origin"
  | "over-limit"
  | "stopping"
  | "slow"
  | "replaced"
  | "removed"
  | "network"
  | "protocol"
  | "bad-request";

export interface Problem {
  readonly code: ProblemCode;
  /** A sentence for people. */
  readonly message: string;
  readonly closeCode?: number;
  readonly httpStatus?: number;
  /** Seconds. */
  readonly retryAfter?: number;
  readonly field?: string;
  /** The client does not try again by itself. */
  readonly isFinal: boolean;
}

export class PresenceError extends Error {
  constructor(problem: Problem);
  readonly problem: Problem;
}

/** Thrown by `getToken`: there is no token, and trying again is of no use. */
export class UnauthorizedError extends PresenceError {
  constructor(message?: string);
}

/**
 * One observable value. `subscribe` calls at once and after each change, and returns the way to
 * unsubscribe; `getSnapshot` returns the same frozen value until it changes. All members are
 * bound, so that React's `useSyncExternalStore` and Svelte's `$` work on it as it is.
 */
export interface Readable<T> {
  readonly subscribe: (run: (value: T) => void) => () => void;
  readonly getSnapshot: () => T;
  readonly getServerSnapshot: () => T;
}

export interface TokenContext {
  /** `expiring`: the former token is no longer good; `refused`: it never was. */
  readonly reason: "first" | "expiring" | "refused";
  readonly signal: AbortSignal;
}

export interface AutoAway {
  /** Milliseconds without input; 300_000. */
  after?: number;
  /** Milliseconds after which a hidden tab counts as idle; 0. */
  whenHiddenAfter?: number;
  /** The events of the window that are input. */
  events?: readonly string[];
  /** The application's own detector in place of all that, such as one on `IdleDetector`. */
  isIdle?: Readable<boolean>;
}

export interface Options {
  /** Where the server is; by default where this module came from. */
  url?: string | URL;
  token?: string;
  /** Asked for each attempt. Throw `UnauthorizedError` to stop for good. */
  getToken?: (context: TokenContext) => string | Promise<string>;
  /** A user of a development server, which wants no token. */
  user?: string;
  /** `"browser"` (default): one id per browser, kept in `storage`; null: each connection its own. */
  device?: string | "browser" | null;
  initial?: { status?: Status; state?: "online" | "idle" | "offline" };
  /** Which servers to hear of; by default all. */
  servers?: readonly string[] | "none";
  /** On by default, in a page. */
  autoAway?: AutoAway | false;
  /** One socket for all tabs of this browser and user; false by default. */
  shareAcrossTabs?: boolean;
  /** Milliseconds: 1_000, 30_000, `"full"`. A time that the server names wins. */
  reconnect?: { least?: number; most?: number; jitter?: "full" | "none" };
  /** Milliseconds without a connection after which what is shown is stale; 3_000. */
  staleAfter?: number;
  transports?: readonly ("websocket" | "events")[];
  WebSocket?: typeof WebSocket;
  fetch?: typeof fetch;
  storage?: Storage | null;
  now?: () => number;
  log?: (level: "debug" | "info" | "warn", message: string, detail?: unknown) => void;
}

/** What is left out stays; null clears. */
export interface Change {
  status?: Status;
  until?: Until | null;
  customStatus?: string | null;
  customStatusUntil?: Until | null;
  activity?: string | null;
  appearOffline?: boolean;
}

export interface CallOptions {
  signal?: AbortSignal;
  /** Milliseconds. */
  timeout?: number;
}

export interface MemberOptions {
  statuses?: readonly Status[];
  sort?: "status" | "name" | ((a: User, b: User) => number);
  /** True by default. */
  includeSelf?: boolean;
  limit?: number;
}

export interface PresenceEvents {
  /** Net changes only, one per user; `isCatchUp`: it happened while there was no connection. */
  change: { readonly user: User; readonly previous: User | null; readonly isCatchUp: boolean };
  memberadd: { readonly serverId: string; readonly user: User };
  memberremove: { readonly serverId: string; readonly userId: string };
  serveradd: Server;
  serverremove: { readonly serverId: string };
  /** A snapshot was taken in, and these many users differ from what was known. */
  sync: { readonly changed: number };
  connection: Connection;
  problem: Problem;
}

export interface PresenceClient {
  readonly connection: Readable<Connection>;
  readonly me: Readable<Self | null>;
  readonly servers: Readable<ReadonlyMap<string, Server>>;
  /** The same object for the same id. */
  user(id: string): Readable<User | undefined>;
  members(serverId: string, options?: MemberOptions): Readable<readonly User[]>;
  counts(serverId: string): Readable<Counts>;
  /** Connects; where the client waits for its next attempt, it tries at once. */
  connect(): void;
  /** Says goodbye (1000). */
  disconnect(): void;
  /** Resolves once live; rejects where that is final. */
  ready(options?: CallOptions): Promise<void>;
  /** Over the gateway, resolved once it applies; `durable`: over REST, resolved once stored. */
  set(change: Change, options?: CallOptions & { durable?: boolean }): Promise<Self>;
  fetchUsers(ids: Iterable<string>, options?: CallOptions): Promise<readonly User[]>;
  fetchMembers(serverId: string, options?: CallOptions & { after?: string; limit?: number }): AsyncIterable<User>;
  /** Why oneself is shown as it is, and what changes next. */
  explain(options?: CallOptions): Promise<Explanation>;
  /** Returns the way to stop. */
  on<K extends keyof PresenceEvents>(
    type: K,
    run: (event: PresenceEvents[K]) => void,
    options?: { signal?: AbortSignal },
  ): () => void;
  destroy(): void;
  [Symbol.dispose](): void;
}

export interface Explanation {
  readonly status: Status;
  /** In the order in which the server asks. */
  readonly because: readonly Reason[];
  readonly next: { readonly status: Status; readonly at: Date; readonly because: string } | null;
}

export interface Reason {
  readonly kind: "flag" | "intent" | "claim" | "device" | "lease" | "swept" | "grace" | "poll";
  readonly name: string;
  readonly says: string;
  readonly isDeciding: boolean;
  readonly until: Date | null;
}

export function createPresence(options?: Options): PresenceClient;

/**
 * Auto-away on its own, for a client with `autoAway: false`: away after a time without input, or
 * once all tabs are hidden, restored on return. Returns the way to end it.
 */
export function presenceStore(client: PresenceClient, options?: AutoAway): () => void;

/** For menus: 30 minutes, 1 hour, 4 hours, today, this week, don't clear. */
export const durations: readonly {
  readonly label: string;
  readonly until: (now: Date) => Date | null;
}[];

export const VERSION: string;
