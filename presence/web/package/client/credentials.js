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

  /** Names the user, as far as it is known here, for what tabs of one user share. */
  get holder() {
    try {
      return this.#options.user ?? JSON.parse(atob(/** @type {any} */ (this.#token).split(".")[1])).sub;
    } catch {
      return this.#token; // no JWT: tabs with the same token share
    }
  }

  /** Notes that the server refused the token. @param {boolean} [isExpired] it was good before */
  refuse(isExpired = false) {
    this.#refused = this.#token ?? "";
    this.#token = undefined;
    this.#reason = isExpired ? "expiring" : "refused";
  }
}
