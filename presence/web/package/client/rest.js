import { networkProblem, PresenceError, problemOfResponse } from "./problems.js";

/** @typedef {import("../client.js").CallOptions} CallOptions */
/** @typedef {import("./credentials.js").Credentials} Credentials */

/** Requests to the server, with the token of the client. */
export class Rest {
  /**
   * @param {URL} base
   * @param {Credentials} credentials
   * @param {typeof globalThis.fetch} fetch
   */
  constructor(base, credentials, fetch) {
    this.base = base;
    this.credentials = credentials;
    this.fetch = fetch;
  }

  /**
   * The answer to one request. Throws `PresenceError`, or the reason of an aborted signal.
   * @param {string} path
   * @param {CallOptions & {method?: string, body?: unknown}} [options]
   * @returns {Promise<any>} its body, from JSON
   */
  async request(path, { method = "GET", body, signal, timeout = 10_000 } = {}) {
    const limit = AbortSignal.timeout(timeout);
    const either = signal ? AbortSignal.any([signal, limit]) : limit;
    let response;
    try {
      response = await this.open(path, either, { method, body: body ? JSON.stringify(body) : undefined });
    } catch (error) {
      if (signal?.aborted || error instanceof PresenceError) throw error;
      throw new PresenceError(networkProblem("The server cannot be reached."));
    }
    if (!response.ok) throw new PresenceError(await problemOfResponse(response));
    return response.status === 204 ? null : response.json();
  }

  /**
   * The response to one request, whatever its status. Throws what `fetch` and `getToken` throw.
   * @param {string} path
   * @param {AbortSignal} signal
   * @param {RequestInit} [init]
   */
  async open(path, signal, init) {
    const url = new URL(path.replace(/^\//, ""), this.base);
    const query = this.credentials.query;
    if (query) url.search += (url.search ? "&" : "?") + query;
    const headers = await this.credentials.headers(signal);
    return this.fetch(url, { ...init, signal, headers, cache: "no-store", credentials: "omit" });
  }
}
