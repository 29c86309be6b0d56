/** Requests that few applications send: their code is loaded with the first of them. */
import { toUser } from "./model.js";

/** @typedef {import("../client.js").CallOptions} CallOptions */
/** @typedef {import("../client.js").Explanation} Explanation */
/** @typedef {import("../client.js").User} User */
/** @typedef {import("./rest.js").Rest} Rest */

/** The most users that one answer of the server has. */
const MOST = 500;

/**
 * @param {Rest} rest
 * @param {Iterable<string>} ids
 * @param {CallOptions} [options]
 * @returns {Promise<User[]>}
 */
export async function fetchUsers(rest, ids, options) {
  const all = [...ids];
  const users = [];
  for (let start = 0; start < all.length; start += MOST) {
    const body = { ids: all.slice(start, start + MOST) };
    const page = await rest.request("users/presence", { ...options, method: "POST", body });
    users.push(...page.users.map(toUser));
  }
  return users;
}

/**
 * The members of a server in pages, by id.
 * @param {Rest} rest
 * @param {string} serverId
 * @param {CallOptions & {after?: string}} [options]
 * @returns {AsyncGenerator<User[]>}
 */
export async function* fetchPages(rest, serverId, { after, ...options } = {}) {
  for (let isLast = false; !isLast;) {
    const query = new URLSearchParams({ limit: `${MOST}`, ...(after ? { after } : {}) });
    const path = `servers/${encodeURIComponent(serverId)}/members?${query}`;
    const { members } = await requestPatiently(rest, path, options);
    yield members.map(toUser);
    isLast = members.length < MOST;
    after = members.at(-1)?.user_id;
  }
}

/**
 * As `rest.request`, but waits where the server says that there were too many requests.
 * @param {Rest} rest
 * @param {string} path
 * @param {CallOptions} options
 */
async function requestPatiently(rest, path, options) {
  for (;;) {
    try {
      return await rest.request(path, options);
    } catch (error) {
      const { problem } = /** @type {any} */ (error);
      if (problem?.code !== "over-limit" || options.signal?.aborted) throw error;
      await new Promise((resolve) => { setTimeout(resolve, (problem.retryAfter ?? 1) * 1_000); });
    }
  }
}

/** @param {Rest} rest @param {CallOptions} [options] @returns {Promise<Explanation>} */
export async function explain(rest, options) {
  const raw = await rest.request("users/@me/explain", options);
  return {
    status: raw.status,
    because: raw.because.map((/** @type {any} */ { kind, name, says, is_deciding, until }) => (
      { kind, name, says, isDeciding: is_deciding, until: until && new Date(until) })),
    next: raw.next && { ...raw.next, at: new Date(raw.next.at) },
  };
}

/**
 * Sets the state of a device, for a connection that only listens.
 * @param {Rest} rest
 * @param {string} userId
 * @param {string} device
 * @param {"online" | "idle"} state
 */
export async function setState(rest, userId, device, state) {
  const path = `presence/${encodeURIComponent(userId)}/devices/${encodeURIComponent(device)}`;
  await rest.request(path, { method: "PUT", body: { state } });
}
