import { Derived } from "./readable.js";

/** @typedef {import("../client.js").User} User */
/** @typedef {import("../client.js").Counts} Counts */
/** @typedef {import("../client.js").MemberOptions} MemberOptions */
/** @typedef {import("./model.js").Model} Model */

const RANKS = { online: 0, dnd: 1, away: 2, offline: 3 };
const collator = new Intl.Collator(undefined, { sensitivity: "base", numeric: true });

/** @param {User} a @param {User} b */
const byName = (a, b) => collator.compare(a.username, b.username);

/** @param {User} a @param {User} b */
const byStatus = (a, b) => RANKS[a.status] - RANKS[b.status] || byName(a, b);

/** @param {MemberOptions["sort"]} sort @returns {(a: User, b: User) => number} a total order */
export function orderOf(sort = "status") {
  const compare = typeof sort === "function" ? sort : sort === "name" ? byName : byStatus;
  return (a, b) => compare(a, b) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

/** @param {readonly User[]} users @param {User} user @param {(a: User, b: User) => number} compare */
function positionOf(users, user, compare) {
  let low = 0;
  for (let high = users.length; low < high;) {
    const middle = (low + high) >> 1;
    if (compare(users[middle], user) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The members of a server, in order. One change moves one member, and sorts nothing.
 * @param {Model} model
 * @param {string} serverId
 * @param {MemberOptions} options
 * @returns {Derived<readonly User[]>}
 */
export function membersOf(model, serverId, { statuses, sort, includeSelf = true, limit } = {}) {
  const compare = orderOf(sort);
  const isListed = (/** @type {User} */ user) => (!statuses || statuses.includes(user.status))
    && (includeSelf || user.id !== model.me.getSnapshot()?.id);
  /** @type {User[]} */
  let users = [];
  const cut = () => Object.freeze(limit === undefined ? users : users.slice(0, limit));
  const compute = () => {
    users = model.membersOf(serverId).filter(isListed).sort(compare);
    return cut();
  };
  const move = (/** @type {User} */ user, /** @type {User} */ previous) => {
    const moved = users.slice();
    const from = positionOf(moved, previous, compare);
    if (moved[from]?.id === previous.id) moved.splice(from, 1);
    if (isListed(user)) moved.splice(positionOf(moved, user, compare), 0, user);
    users = moved;
    return cut();
  };
  return new Derived(Object.freeze(users), {
    revision: () => model.revisionOf(serverId),
    compute,
    attach: (change) => {
      compute();
      return model.watch(serverId, (user, previous) => (
        user && previous ? change(move(user, previous)) : change()));
    },
  });
}

/**
 * How many members have which status.
 * @param {Model} model
 * @param {string} serverId
 * @returns {Derived<Counts>}
 */
export function countsOf(model, serverId) {
  const none = { online: 0, away: 0, dnd: 0, offline: 0, total: 0 };
  let counts = none;
  const compute = () => {
    counts = { ...none, total: model.countOf(serverId) };
    for (const user of model.membersOf(serverId)) counts[user.status] += 1;
    // Members of a large server that are still to come count as offline.
    counts.offline = counts.total - counts.online - counts.away - counts.dnd;
    return Object.freeze(counts);
  };
  const move = (/** @type {User} */ user, /** @type {User} */ previous) => {
    if (user.status === previous.status) return counts;
    counts = { ...counts, [previous.status]: counts[previous.status] - 1 };
    counts[user.status] += 1;
    return Object.freeze(counts);
  };
  return new Derived(/** @type {Counts} */ (Object.freeze(none)), {
    revision: () => model.revisionOf(serverId),
    compute,
    attach: (change) => {
      compute();
      return model.watch(serverId, (user, previous) => (
        user && previous ? change(move(user, previous)) : change()));
    },
  });
}
