/** @typedef {import("./credentials.js").Credentials} Credentials */

/**
 * One connection to the server. `end` is called once, unless `close` was called before.
 * @typedef {{
 *   open: () => void,
 *   frame: (frame: any) => void,
 *   end: (end: {code: number, reason: string, wasOpen: boolean}) => void,
 * }} Handlers
 * @typedef {{send: (frame: object) => void, close: (code?: number) => void}} Transport
 */

/**
 * Opens a WebSocket. The token travels as a subprotocol, so it stands in no address.
 * @param {URL} base
 * @param {Credentials} credentials
 * @param {string | undefined} token
 * @param {Record<string, string>} params
 * @param {typeof WebSocket} Socket
 * @param {Handlers} handlers
 * @returns {Transport}
 */
export function openSocket(base, credentials, token, params, Socket, handlers) {
  const url = new URL("ws", base);
  url.protocol = url.protocol.replace("http", "ws");
  const own = new URLSearchParams(params).toString();
  url.search = [own, credentials.query].filter(Boolean).join("&");
  const socket = token === undefined ? new Socket(url) : new Socket(url, ["bearer", token]);
  let wasOpen = false;
  let isClosed = false;
  socket.onopen = () => {
    wasOpen = true;
    handlers.open();
  };
  socket.onmessage = ({ data }) => {
    if (!isClosed) handlers.frame(JSON.parse(data));
  };
  const end = (code = 1006, reason = "") => {
    if (!isClosed) handlers.end({ code, reason, wasOpen });
    isClosed = true;
  };
  socket.onclose = ({ code, reason }) => end(code, reason);
  // Where the policy of a page forbids the connection, no end follows the error.
  socket.onerror = () => { if (!wasOpen) end(); };
  return {
    send: (frame) => socket.send(JSON.stringify(frame)),
    close: (code) => {
      isClosed = true;
      socket.close(code);
    },
  };
}
