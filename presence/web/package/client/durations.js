/** @param {number} minutes @returns {(now: Date) => Date} */
const inMinutes = (minutes) => (now) => new Date(now.getTime() + minutes * 60_000);

/** @param {Date} now @param {number} days @returns {Date} */
const midnight = (now, days) => new Date(now.getFullYear(), now.getMonth(), now.getDate() + days);

/** What a menu offers as "Clear after"; a week ends on Sunday at midnight. */
export const durations = Object.freeze([
  { label: "30 minutes", until: inMinutes(30) },
  { label: "1 hour", until: inMinutes(60) },
  { label: "4 hours", until: inMinutes(240) },
  { label: "Today", until: (/** @type {Date} */ now) => midnight(now, 1) },
  { label: "This week", until: (/** @type {Date} */ now) => midnight(now, 8 - (now.getDay() || 7)) },
  { label: "Don't clear", until: () => null },
].map((each) => Object.freeze(each)));
