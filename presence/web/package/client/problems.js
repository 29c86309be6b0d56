/** @typedef {import("../client.js").Problem} Problem */
/** @typedef {import("../client.js").ProblemCode} ProblemCode */

/** A problem, as an error. */
export class PresenceError extends Error {
  name = "PresenceError";

  /** @param {Problem} problem */
  constructor(problem) {
    super(problem.message);
    this.problem = Object.freeze(problem);
  }
}

/** There is no token that the server accepts: the client stops. `getToken` may throw it. */
export class UnauthorizedError extends PresenceError {
  name = "UnauthorizedError";

  /** @param {string} [message] */
  constructor(message = "The server does not accept the token.") {
    super({ code: "unauthorized", message, isFinal: true });
  }
}

/** @type {Record<number, [ProblemCode, string]>} */
const CLOSES = {
  1006: ["network", "The connection was lost."],
  1012: ["stopping", "The server stops or restarts."],
  4001: ["unauthorized", "The token is no longer good."],
  4002: ["removed", "An administrator has disconnected this user."],
  4003: ["replaced", "Another login has replaced this one."],
  4008: ["over-limit", "This client is over a limit of the server."],
};

/**
 * What the end of a connection means. The server hints when to come back as `retry-in=<ms>`.
 * @param {number} closeCode
 * @param {string} reason
 * @returns {Problem}
 */
export function problemOfClose(closeCode, reason) {
  /** @type {[ProblemCode, string]} */
  const other = closeCode > 1001 && closeCode < 1010
    ? ["protocol", `The server refused a frame (${closeCode}).`] : CLOSES[1006];
  const [code, message] = closeCode === 4008 && /slow/i.test(reason)
    ? /** @type {[ProblemCode, string]} */ (["slow", "This client did not read fast enough."])
    : CLOSES[closeCode] ?? other;
  const hint = /retry-in=(\d+)/.exec(reason)?.[1];
  return freeze({
    code, message, closeCode, isFinal: closeCode === 4002 || closeCode === 4003,
    retryAfter: hint ? +hint / 1000 : undefined,
  });
}

/** @type {Record<number, ProblemCode>} */
const CODES = { 401: "unauthorized", 403: "forbidden-origin", 429: "over-limit", 503: "stopping" };

/** Without the fields that have no value. @param {any} problem @returns {Problem} */
function freeze(problem) {
  for (const key in problem) if (problem[key] === undefined) delete problem[key];
  return Object.freeze(problem);
}

/**
 * What a refusal over HTTP means.
 * @param {Response} response
 * @returns {Promise<Problem>}
 */
export async function problemOfResponse(response) {
  const { status } = response;
  const body = await response.json().catch(() => null);
  const message = `${body?.error ?? `The server answered ${status}.`}`;
  const code = CODES[status] ?? (status < 500 ? "bad-request" : "network");
  return freeze({
    code, message, httpStatus: status, isFinal: status === 401 || status === 403,
    retryAfter: Number(response.headers.get("retry-after")) || undefined,
    field: code === "bad-request" ? /^(\w+):? /.exec(message)?.[1] : undefined,
  });
}

/** @param {string} message @returns {Problem} */
export function networkProblem(message) {
  return { code: "network", message, isFinal: false };
}

/** @param {string} field @param {string} message */
export function badRequest(field, message) {
  return new PresenceError({
    code: "bad-request", message: `${field} ${message}`, field, isFinal: true,
  });
}
