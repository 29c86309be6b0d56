/** A server for the client's own tests: sockets that the test opens, feeds and closes. */
import { createPresence } from "../../presence/web/package/client.js";

export class FakeSocket {
  static opened = [];

  constructor(url, protocols) {
    this.url = new URL(url);
    this.protocols = protocols;
    this.sent = [];
    this.closedWith = undefined;
    FakeSocket.opened.push(this);
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close(code) {
    this.closedWith = code;
  }

  open() {
    this.onopen();
  }

  say(frame) {
    this.onmessage({ data: JSON.stringify(frame) });
  }

  end(code, reason = "") {
    this.onclose({ code, reason });
  }

  /** Opens and sends READY. */
  ready(members = [], { self = {}, server = {} } = {}) {
    this.open();
    const user = { ...SELF, ...self };
    const servers = [{ id: "team", name: "Team", members, ...server }];
    this.say({ op: "DISPATCH", t: "READY", d: { user, servers } });
  }
}

const SELF = {
  id: "alice", username: "alice", status: "online", intent: "online", until: null,
  appear_offline: false, custom_status: null, custom_status_until: null, activity: null,
};

export function member(id, status = "online", version = 1, fields = {}) {
  return { user_id: id, username: id, status, custom_status: null, activity: null, version, ...fields };
}

export function update(id, status, v, fields = {}) {
  const d = { user_id: id, status, custom_status: null, activity: null, ...fields };
  return { op: "DISPATCH", t: "PRESENCE_UPDATE", d, v };
}

/** A client without jitter, and answers of REST by path. */
export function build(options = {}, answers = {}) {
  FakeSocket.opened = [];
  const requests = [];
  const client = createPresence({
    url: "http://server.test/", token: "good", device: null, WebSocket: FakeSocket,
    reconnect: { jitter: "none" },
    fetch: async (url, init) => {
      requests.push({ url: new URL(url), ...init });
      const answer = answers[new URL(url).pathname];
      if (!answer) throw new TypeError("failed to fetch");
      const { status = 200, body = {}, headers = {} } = typeof answer === "function" ? answer(new URL(url)) : answer;
      return new Response(JSON.stringify(body), { status, headers });
    },
    ...options,
  });
  return { client, requests, sockets: FakeSocket.opened };
}

/** Lets everything happen that waits for nothing but its turn. */
export async function settle() {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Connects and returns the newest socket. */
export async function connect(client) {
  client.connect();
  await settle();
  return FakeSocket.opened.at(-1);
}
