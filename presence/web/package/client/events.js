import { networkProblem, problemOfResponse } from "./problems.js";

/** @typedef {import("../client.js").Problem} Problem */
/** @typedef {import("./socket.js").Handlers} Handlers */
/** @typedef {import("./socket.js").Transport} Transport */
/** @typedef {import("./rest.js").Rest} Rest */

/**
 * Opens the gateway's frames as Server-Sent Events, for networks that block WebSockets. It is
 * read by `fetch`: an `EventSource` sends no token in a header and hides why it was refused.
 * @param {Rest} rest
 * @param {Record<string, string>} params
 * @param {Handlers & {refuse: (problem: Problem) => void}} handlers
 * @returns {Transport}
 */
export function openEvents(rest, params, handlers) {
  const abort = new AbortController();
  void read(rest, params, handlers, abort.signal).catch(() => {
    if (!abort.signal.aborted) handlers.refuse(networkProblem("The server cannot be reached."));
  });
  return {
    send: () => {},
    close: () => abort.abort(),
  };
}

/**
 * @param {Rest} rest
 * @param {Record<string, string>} params
 * @param {Handlers & {refuse: (problem: Problem) => void}} handlers
 * @param {AbortSignal} signal
 */
async function read(rest, params, handlers, signal) {
  const response = await rest.open(`users/@me/events?${new URLSearchParams(params)}`, signal);
  if (!response.ok || !response.body) {
    const problem = await problemOfResponse(response);
    if (!signal.aborted) handlers.refuse(problem);
    return;
  }
  handlers.open();
  let end = { code: 1006, reason: "", wasOpen: true };
  let tail = "";
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read().catch(() => ({ value: "", done: true }));
    if (done || signal.aborted) break;
    const blocks = (tail + value).split("\n\n");
    tail = /** @type {string} */ (blocks.pop());
    for (const block of blocks) {
      const data = /^data: ?(.*)$/m.exec(block)?.[1];
      if (block.startsWith("event: close")) end = { ...end, ...JSON.parse(data ?? "{}") };
      else handlers.frame(data === undefined ? { op: "COMMENT" } : JSON.parse(data));
      if (signal.aborted) return;
    }
  }
  if (!signal.aborted) handlers.end(end);
}
