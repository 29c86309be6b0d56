/** Words for statuses, times and connections. */

export const LABELS = { online: "Online", away: "Away", dnd: "Do Not Disturb", offline: "Offline" };

/** What the menu offers, with the words of the menu. */
export const CHOICES = [
  { status: "online", label: "Online", hint: "" },
  { status: "away", label: "Away", hint: "" },
  { status: "dnd", label: "Do Not Disturb", hint: "" },
  { status: "offline", label: "Invisible", hint: "You will appear offline" },
];

const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "short" });

/** @param {Date} moment @returns {string} such as 17:00, or Fri 17:00 on another day */
export function clock(moment, now = new Date()) {
  const isToday = moment.toDateString() === now.toDateString();
  return isToday ? time.format(moment) : `${day.format(moment)} ${time.format(moment)}`;
}

/** One's own status in words. @param {any} me */
export function ownStatus(me) {
  if (me.appearOffline) return "Appearing offline";
  if (me.intent === "offline") return withUntil("Invisible", me.until);
  if (me.isAutoAway && me.status === "away") return "Away, idle";
  const label = me.status === "offline" ? "Connecting" : LABELS[me.status];
  return withUntil(label, me.intent === me.status ? me.until : null);
}

const withUntil = (label, until) => (until ? `${label} until ${clock(until)}` : label);

/** The second line of a member: status, then texts. */
export function memberLine(user) {
  return [LABELS[user.status], user.customStatus, user.activity].filter(Boolean);
}
