import { UnauthorizedError } from "./problems.js";

/** @typedef {import("../client.js").Options} Options */
/** @typedef {import("../client.js").TokenContext} TokenContext */

/** The token of the client. A token that was refused is not used again. */
export class Credentials {
  /** @type {string | undefined} */
  #token;
  /** @type {string | undefined} */
  #refused;
  /** @type {TokenContext["reason"]} */
  #reason = "first";
  #options;

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
  }

  /**
   * The token of a new attempt: asked for again each time. Throws what `getToken` throws.
   * @param {AbortSignal} signal
   * @returns {Promise<string | undefined>} undefined where the client has none
   */
  async renew(signal) {
    const { token, getToken, user } = this.#options;
    const next = getToken ? await getToken({ reason: this.#reason, signal }) : token;
    if (next === undefined && user !== undefined && !this.#refused) return undefined;
    if (next === undefined || next === this.#refused) throw new UnauthorizedError();
    this.#token = next;
    this.#reason = "first";
    return next;
  }

  /** The headers of a request, with the token of the connection. @param {AbortSignal} signal */
  async headers(signal) {
    const token = this.#token ?? await this.renew(signal);
    return /** @type {Record<string, string>} */ (
      token === undefined ? {} : { authorization: `Bearer ${token}` });
  }

  /** The query of a request: the user of a development server. */
  get query() {
    const { user, token, getToken } = this.#options;
    return user === undefined || token || getToken ? "" : `user=${encodeURIComponent(user)}`;
  }

  /** Notes that the server refused the token. @param {boolean} [isExpired] it was good before */
  refuse(isExpired = false) {
    this.#refused = this.#token ?? "";
    this.#token = undefined;
    this.#reason = isExpired ? "expiring" : "refused";
  }
}
