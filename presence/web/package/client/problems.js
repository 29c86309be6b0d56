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

/** @type {Record<number, [ProblemCode, string, boolean]>} */
const CLOSES = {
  1002: ["protocol", "The server found a frame that is against the protocol.", false],
  1007: ["protocol", "The server found a text that is not UTF-8.", false],
  1008: ["protocol", "The server found frames that make no sense.", false],
  1009: ["protocol", "A frame was too large.", false],
  1012: ["stopping", "The server stops or restarts.", false],
  4001: ["unauthorized", "The token has expired or was revoked.", false],
  4002: ["removed", "An administrator has disconnected this user.", true],
  4003: ["replaced", "Another login has replaced this one.", true],
};

/**
 * What the end of a connection means. The server hints when to come back as `retry-in=<ms>`.
 * @param {number} code a close code
 * @param {string} reason
 * @returns {Problem}
 */
export function problemOfClose(code, reason) {
  const [kind, message, isFinal] = CLOSES[code] ?? /** @type {[ProblemCode, string, boolean]} */ (
    code === 4008
      ? /slow/i.test(reason)
        ? ["slow", "This client did not read fast enough.", false]
        : ["over-limit", "This client is over a limit of the server.", false]
      : ["network", "The connection was lost.", false]);
  const hint = /retry-in=(\d+)/.exec(reason);
  return Object.freeze({
    code: kind, message, closeCode: code, isFinal,
    ...(hint ? { retryAfter: Number(hint[1]) / 1000 } : {}),
  });
}

/**
 * What a refusal over HTTP means.
 * @param {Response} response
 * @returns {Promise<Problem>}
 */
export async function problemOfResponse(response) {
  const { status } = response;
  const body = await response.json().catch(() => null);
  const message = typeof body?.error === "string" ? body.error : `The server answered ${status}.`;
  const retryAfter = Number(response.headers.get("retry-after")) || undefined;
  /** @type {ProblemCode} */
  const code = status === 401 ? "unauthorized"
    : status === 403 ? "forbidden-origin"
    : status === 429 ? "over-limit"
    : status === 503 ? "stopping"
    : status >= 500 ? "network" : "bad-request";
  const field = code === "bad-request" ? /^(\w+):? /.exec(message)?.[1] : undefined;
  return Object.freeze({
    code, message, httpStatus: status, isFinal: status === 401 || status === 403,
    ...(retryAfter ? { retryAfter } : {}), ...(field ? { field } : {}),
  });
}

/** @param {string} message @returns {Problem} */
export function networkProblem(message) {
  return Object.freeze({ code: "network", message, isFinal: false });
}

/** @param {string} field @param {string} message */
export function badRequest(field, message) {
  return new PresenceError({
    code: "bad-request", message: `${field} ${message}`, field, isFinal: true,
  });
}
