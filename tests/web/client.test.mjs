import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { durations, PresenceError, UnauthorizedError } from "../../presence/web/package/client.js";
import { build, connect, FakeSocket, member, settle, update } from "./fake_server.mjs";

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: Date.UTC(2026, 10, 26) });
});

const socket = () => FakeSocket.opened.at(-1);

/** Advances the clock in steps, so that each timer may set the next. */
async function pass(milliseconds) {
  for (let left = milliseconds; left > 0; left -= 100) {
    mock.timers.tick(Math.min(100, left));
    await settle();
  }
}

// -- what is known ------------------------------------------------------------------------------

test("a store calls at once and after each change, with the same frozen value between", async () => {
  const { client } = build();
  const bob = client.user("bob");
  const seen = [];
  bob.subscribe((user) => seen.push(user?.status));
  const server = await connect(client);
  server.ready([member("bob", "away", 5)]);
  assert.equal(bob.getSnapshot(), bob.getSnapshot());
  assert.ok(Object.isFrozen(bob.getSnapshot()));
  server.say(update("bob", "dnd", 6));
  assert.deepEqual(seen, [undefined, "away", "dnd"]);
  assert.equal(client.user("bob"), bob);
  client.destroy();
});

test("an older version changes nothing", async () => {
  const { client } = build();
  const server = await connect(client);
  server.ready([member("bob", "away", 5)]);
  server.say(update("bob", "dnd", 5));
  server.say(update("bob", "online", 4));
  assert.equal(client.user("bob").getSnapshot().status, "away");
  client.destroy();
});

test("a subscriber that throws delays no other", async () => {
  const { client } = build();
  const errors = [];
  mock.method(globalThis, "queueMicrotask", (run) => {
    try { run(); } catch (error) { errors.push(error.message); } // as a page reports it
  });
  const seen = [];
  client.user("bob").subscribe((user) => { if (user) throw new Error("mine"); });
  client.user("bob").subscribe((user) => seen.push(user?.status));
  (await connect(client)).ready([member("bob")]);
  mock.restoreAll();
  assert.deepEqual([seen, errors], [[undefined, "online"], ["mine"]]);
  client.destroy();
});

test("between two snapshots only net changes are told, each once", async () => {
  const { client } = build();
  const events = [];
  for (const type of ["change", "memberadd", "memberremove", "sync"]) {
    client.on(type, (event) => events.push([type, event.user?.id ?? event.userId ?? event.changed, event.isCatchUp]));
  }
  (await connect(client)).ready([member("bob", "online", 1), member("carol", "dnd", 2), member("dave")]);
  assert.deepEqual(events, [["sync", 0, undefined]]);
  events.length = 0;
  socket().end(1006);
  await pass(1_000);
  socket().ready([member("bob", "away", 9), member("carol", "dnd", 8), member("erin")]);
  assert.deepEqual(events, [
    ["change", "bob", true], ["memberadd", "erin", undefined], ["memberremove", "dave", undefined],
    ["sync", 1, undefined],
  ]);
  client.destroy();
});

test("members are listed in order, and one change moves one", async () => {
  const { client } = build();
  const server = await connect(client);
  server.ready([member("carol", "online"), member("bob", "away"), member("dave", "offline")]);
  const members = client.members("team");
  const seen = [];
  const unsubscribe = members.subscribe((users) => seen.push(users.map((user) => user.id).join()));
  server.say(update("dave", "online", 2));
  server.say(update("carol", "dnd", 2));
  assert.deepEqual(seen, ["carol,bob,dave", "carol,dave,bob", "dave,carol,bob"]);
  unsubscribe();
  server.say(update("bob", "online", 2));
  assert.equal(members.getSnapshot().map((user) => user.id).join(), "bob,dave,carol");
  assert.equal(seen.length, 3);
  client.destroy();
});

test("counts follow statuses, members that come and go", async () => {
  const { client } = build();
  const server = await connect(client);
  server.ready([member("bob"), member("carol", "away"), member("dave", "offline")]);
  const counts = client.counts("team");
  counts.subscribe(() => {});
  server.say(update("bob", "dnd", 2));
  server.say({ op: "DISPATCH", t: "SERVER_MEMBER_REMOVE", d: { server_id: "team", user_id: "carol" } });
  server.say({ op: "DISPATCH", t: "SERVER_MEMBER_ADD", d: { server_id: "team", member: member("erin") } });
  assert.deepEqual(counts.getSnapshot(), { online: 1, away: 0, dnd: 1, offline: 1, total: 3 });
  client.destroy();
});

test("servers come, go and are renamed; their members are forgotten with the last of them", async () => {
  const { client } = build();
  const server = await connect(client);
  server.ready([member("bob")]);
  const add = (name) => server.say({ op: "DISPATCH", t: "SERVER_ADD", d: { id: "other", name, members: [member("bob"), member("zoe")] } });
  add("Other");
  add("Renamed");
  assert.deepEqual([...client.servers.getSnapshot().values()].map((each) => each.name), ["Team", "Renamed"]);
  server.say({ op: "DISPATCH", t: "SERVER_REMOVE", d: { server_id: "other" } });
  assert.equal(client.user("zoe").getSnapshot(), undefined);
  assert.equal(client.user("bob").getSnapshot().status, "online");
  client.destroy();
});

test("pages of a large server complete it; what changed meanwhile wins", async () => {
  let answer;
  const pages = { "/servers/team/members": () => answer };
  const { client } = build({}, pages);
  const server = await connect(client);
  const answered = Promise.withResolvers();
  answer = { body: { members: [member("bob", "online", 1), member("carol", "offline", 2), member("gone")] } };
  const events = [];
  client.on("memberadd", (event) => events.push(event));
  server.ready([member("bob")], { server: { large: true, member_count: 3 } });
  // Before the page is there: an update of one who is not known yet, and one who leaves.
  server.say(update("carol", "dnd", 7));
  server.say({ op: "DISPATCH", t: "SERVER_MEMBER_REMOVE", d: { server_id: "team", user_id: "gone" } });
  assert.equal(client.servers.getSnapshot().get("team").isComplete, false);
  answered.resolve();
  await settle();
  assert.equal(client.servers.getSnapshot().get("team").isComplete, true);
  assert.deepEqual(client.members("team").getSnapshot().map((user) => [user.id, user.status]),
    [["bob", "online"], ["carol", "dnd"]]);
  assert.deepEqual(events, []);
  client.destroy();
});

test("only the servers that were asked for are kept", async () => {
  const { client } = build({ servers: ["other"] });
  (await connect(client)).ready([member("bob")]);
  socket().say({ op: "DISPATCH", t: "SERVER_ADD", d: { id: "other", name: "Other", members: [member("zoe")] } });
  assert.deepEqual([...client.servers.getSnapshot().keys()], ["other"]);
  assert.equal(client.user("bob").getSnapshot(), undefined);
  client.destroy();
});

// -- the connection -----------------------------------------------------------------------------

test("attempts come after 1, 2, 4 … 30 seconds, and none after a disconnect", async () => {
  const { client, sockets } = build();
  await connect(client);
  for (const seconds of [1, 2, 4, 8, 16, 30, 30]) {
    const known = sockets.length;
    socket().end(1006);
    await settle();
    const { retryAt } = client.connection.getSnapshot();
    assert.equal(retryAt.getTime() - Date.now(), seconds * 1_000);
    await pass(seconds * 1_000);
    assert.equal(sockets.length, known + 1);
  }
  client.disconnect();
  const known = sockets.length;
  await pass(60_000);
  assert.equal(sockets.length, known);
  assert.equal(client.connection.getSnapshot().state, "closed");
});

test("jitter spreads the attempts, and the time that a server names is waited for", async () => {
  const { client } = build({ reconnect: { jitter: "full" } });
  (await connect(client)).ready();
  socket().end(1012, "stopping retry-in=5000");
  await settle();
  const { retryAt, problem } = client.connection.getSnapshot();
  const delay = retryAt.getTime() - Date.now();
  assert.ok(delay >= 5_000 && delay <= 6_000, String(delay));
  assert.deepEqual([problem.code, problem.retryAfter], ["stopping", 5]);
  client.destroy();
});

test("what is known stays over a loss, and is stale after three seconds", async () => {
  const { client } = build();
  (await connect(client)).ready([member("bob", "dnd")]);
  const lostAt = Date.now();
  socket().end(1006);
  await settle();
  assert.equal(client.connection.getSnapshot().state, "reconnecting");
  assert.equal(client.connection.getSnapshot().isStale, false);
  await pass(1_500);
  socket().end(1006); // the next attempt fails too
  await pass(1_600);
  const { isStale, liveUntil } = client.connection.getSnapshot();
  assert.deepEqual([isStale, liveUntil.getTime()], [true, lostAt]);
  assert.equal(client.user("bob").getSnapshot().status, "dnd");
  client.destroy();
});

test("a reconnect carries the status and the state in its request", async () => {
  const { client } = build({ device: "desk" });
  (await connect(client)).ready([], { self: { intent: "dnd", status: "dnd" } });
  socket().end(1006);
  await pass(1_000);
  assert.deepEqual(Object.fromEntries(socket().url.searchParams), { device: "desk", status: "dnd" });
  assert.deepEqual(socket().protocols, ["bearer", "good"]);
  client.destroy();
});

test("a server that answers nothing is left after ten seconds", async () => {
  const { client, sockets } = build();
  (await connect(client)).ready();
  await pass(20_000);
  assert.deepEqual(socket().sent, [{ op: "HEARTBEAT" }]);
  socket().say({ op: "HEARTBEAT_ACK" });
  await pass(20_000);
  assert.equal(socket().sent.length, 2);
  await pass(10_000);
  assert.equal(client.connection.getSnapshot().problem.message, "The server does not answer.");
  assert.equal(sockets[0].closedWith, 1000);
  client.destroy();
});

test("a handshake that gets nowhere is given up", async () => {
  const { client } = build();
  await connect(client);
  await pass(20_000);
  assert.equal(client.connection.getSnapshot().problem.code, "network");
  client.destroy();
});

const FINAL = [[4002, "removed"], [4003, "replaced"]];
for (const [code, problem] of FINAL) {
  test(`after ${code} the client stays away`, async () => {
    const { client, sockets } = build();
    (await connect(client)).ready();
    const ready = client.ready().catch(() => {});
    socket().end(code);
    await pass(60_000);
    await ready;
    const connection = client.connection.getSnapshot();
    assert.deepEqual([connection.state, connection.problem.code, sockets.length], ["closed", problem, 1]);
    await assert.rejects(client.ready(), PresenceError);
    client.destroy();
  });
}

const PASSING = [[1012, "stopping"], [4008, "over-limit"], [1009, "protocol"], [1006, "network"], [1000, "network"]];
for (const [code, problem] of PASSING) {
  test(`after ${code} the client comes back`, async () => {
    const { client, sockets } = build();
    (await connect(client)).ready();
    socket().end(code);
    await settle();
    assert.equal(client.connection.getSnapshot().problem.code, problem);
    await pass(1_000);
    assert.equal(sockets.length, 2);
    client.destroy();
  });
}

test("mount, unmount, mount makes one socket", async () => {
  const { client, sockets } = build();
  client.connect();
  client.disconnect();
  client.connect();
  client.connect();
  await settle();
  assert.equal(sockets.length, 1);
  client.destroy();
  assert.equal(sockets[0].closedWith, 1000);
});

// -- tokens and refusals ------------------------------------------------------------------------

test("a token is asked for at each attempt, with the reason", async () => {
  const reasons = [];
  const getToken = ({ reason }) => { reasons.push(reason); return `token-${reasons.length}`; };
  const { client } = build({ token: undefined, getToken }, { "/users/@me": { status: 401, body: { error: "bad token" } } });
  (await connect(client)).ready();
  socket().end(4001);
  await pass(100);
  socket().end(1006); // the handshake was refused
  await pass(3_000);
  assert.deepEqual(reasons.slice(0, 3), ["first", "expiring", "refused"]);
  client.destroy();
});

test("a token that was refused is not used again", async () => {
  const { client, sockets } = build({ token: undefined, getToken: () => "always" }, { "/users/@me": { status: 401 } });
  await connect(client);
  socket().end(1006);
  await pass(10_000);
  const { state, problem } = client.connection.getSnapshot();
  assert.deepEqual([state, problem.code, sockets.length], ["closed", "unauthorized", 1]);
  await assert.rejects(client.ready(), UnauthorizedError);
});

test("a fixed token that is refused ends the trying", async () => {
  const { client, sockets } = build({}, { "/users/@me": { status: 401, body: { error: "the token has expired" } } });
  await connect(client);
  socket().end(1006);
  await pass(60_000);
  const { state, problem } = client.connection.getSnapshot();
  assert.deepEqual([state, problem.message, sockets.length], ["closed", "the token has expired", 1]);
});

test("getToken may end the trying, or fail for a while", async () => {
  let calls = 0;
  const getToken = () => {
    calls += 1;
    if (calls === 1) throw new Error("offline");
    throw new UnauthorizedError("signed out");
  };
  const { client, sockets } = build({ token: undefined, getToken });
  await connect(client);
  assert.equal(client.connection.getSnapshot().problem.code, "network");
  await pass(1_000);
  assert.equal(client.connection.getSnapshot().problem.message, "signed out");
  assert.deepEqual([client.connection.getSnapshot().state, sockets.length], ["closed", 0]);
});

test("a forbidden origin ends the trying, and says so", async () => {
  const { client } = build({}, { "/users/@me": { status: 403, body: { error: "origin not allowed" } } });
  await connect(client);
  socket().end(1006);
  await settle();
  assert.equal(client.connection.getSnapshot().problem.code, "forbidden-origin");
  assert.equal(client.connection.getSnapshot().state, "closed");
});

test("a limit is waited for as long as the server says", async () => {
  const { client } = build({}, { "/users/@me": { status: 429, headers: { "retry-after": "7" } } });
  await connect(client);
  socket().end(1006);
  await settle();
  const { retryAt, problem } = client.connection.getSnapshot();
  assert.deepEqual([problem.code, retryAt.getTime() - Date.now()], ["over-limit", 7_000]);
  client.destroy();
});

// -- commands -----------------------------------------------------------------------------------

test("set sends what changes, and resolves with the self view in which it applies", async () => {
  const { client } = build();
  (await connect(client)).ready();
  const done = client.set({ status: "dnd", until: 60, customStatus: "Busy" });
  await settle();
  assert.deepEqual(socket().sent, [
    { op: "PRESENCE_UPDATE", d: { status: "dnd", until: 60, custom_status: "Busy" } }]);
  socket().say({ op: "DISPATCH", t: "PRESENCE_UPDATE", d: {
    id: "alice", user_id: "alice", username: "alice", status: "dnd", intent: "dnd",
    until: "2030-01-01T00:00:00Z", appear_offline: false, custom_status: "Busy",
    custom_status_until: null, activity: null } });
  const me = await done;
  assert.deepEqual([me.intent, me.customStatus, me.until.getUTCFullYear()], ["dnd", "Busy", 2030]);
  client.destroy();
});

test("a text alone goes with the status that is set", async () => {
  const { client } = build();
  (await connect(client)).ready([], { self: { intent: "away", status: "away" } });
  void client.set({ customStatus: null }).catch(() => {});
  await settle();
  assert.deepEqual(socket().sent[0].d, { custom_status: null, status: "away" });
  client.destroy();
});

test("what the server would drop is refused, with the field", async () => {
  const { client } = build();
  (await connect(client)).ready();
  const bad = [[{ customStatus: "x".repeat(129) }, "customStatus"], [{ status: "dnd", until: -1 }, "until"],
    [{ customStatusUntil: "2001-01-01T00:00:00Z" }, "customStatusUntil"], [{ status: "dnd", until: "soon" }, "until"]];
  for (const [change, field] of bad) {
    await assert.rejects(client.set(change), ({ problem }) => problem.field === field && problem.code === "bad-request");
  }
  assert.deepEqual(socket().sent, []);
  client.destroy();
});

test("a durable change goes over REST", async () => {
  const body = { id: "alice", username: "alice", status: "online", intent: "online", until: null,
    appear_offline: true, custom_status: null, custom_status_until: null, activity: null };
  const { client, requests } = build({}, { "/users/@me": { body } });
  (await connect(client)).ready();
  const me = await client.set({ appearOffline: true });
  assert.equal(me.appearOffline, true);
  assert.deepEqual([requests[0].method, requests[0].body, requests[0].headers.authorization],
    ["PATCH", '{"appear_offline":true}', "Bearer good"]);
  client.destroy();
});

test("users are fetched five hundred at a time", async () => {
  const { client, requests } = build({}, { "/users/presence": { body: { users: [] } } });
  await client.fetchUsers(Array.from({ length: 1_001 }, (_, index) => `user-${index}`));
  assert.deepEqual(requests.map((each) => JSON.parse(each.body).ids.length), [500, 500, 1]);
});

test("pages are read on once the server says that it may be asked again", async () => {
  const answers = [{ status: 429, headers: { "retry-after": "2" } }, { body: { members: [member("bob")] } }];
  const { client } = build({}, { "/servers/team/members": () => answers.shift() });
  const users = [];
  const done = (async () => { for await (const user of client.fetchMembers("team")) users.push(user.id); })();
  await settle();
  assert.deepEqual(users, []);
  await pass(2_000);
  await done;
  assert.deepEqual(users, ["bob"]);
});

test("a call may be aborted", async () => {
  const { client } = build();
  const abort = new AbortController();
  const waiting = client.ready({ signal: abort.signal });
  abort.abort(new Error("enough"));
  await assert.rejects(waiting, /enough/);
});

test("the durations of menus end when they say", () => {
  const now = new Date(2026, 10, 26, 15, 30); // a Thursday
  const ends = Object.fromEntries(durations.map(({ label, until }) => [label, until(now)]));
  assert.deepEqual(ends["30 minutes"], new Date(2026, 10, 26, 16, 0));
  assert.deepEqual(ends["4 hours"], new Date(2026, 10, 26, 19, 30));
  assert.deepEqual(ends.Today, new Date(2026, 10, 27));
  assert.deepEqual(ends["This week"], new Date(2026, 10, 30)); // Monday, 0:00
  assert.equal(ends["Don't clear"], null);
  assert.deepEqual(durations[4].until(new Date(2026, 10, 29)), new Date(2026, 10, 30)); // on a Sunday
});

// -- one socket for all tabs --------------------------------------------------------------------

/** Lets messages between tabs arrive, which take turns of the event loop that are not ours. */
async function deliver(isThere) {
  for (let turn = 0; turn < 500 && !isThere(); turn += 1) await settle();
  assert.ok(isThere());
}

test("tabs of one user share a socket, and one of them takes over when the first goes", async () => {
  const options = { shareAcrossTabs: true, autoAway: false, user: "alice", token: undefined };
  const { client: first, sockets } = build(options);
  const second = build(options).client;
  FakeSocket.opened = sockets;
  first.connect();
  await deliver(() => sockets.length === 1);
  sockets[0].ready([member("bob", "away")]);
  second.connect();
  const isLive = (client) => () => client.connection.getSnapshot().state === "live";
  await deliver(isLive(second));
  assert.equal(second.user("bob").getSnapshot().status, "away");
  sockets[0].say(update("bob", "dnd", 9));
  await deliver(() => second.user("bob").getSnapshot().status === "dnd");
  void second.set({ status: "away" }).catch(() => {});
  await deliver(() => sockets[0].sent.length === 1);
  assert.deepEqual(sockets[0].sent[0].d, { status: "away" });
  assert.equal(sockets.length, 1);
  first.destroy();
  await deliver(() => sockets.length === 2);
  assert.equal(sockets[0].closedWith, 3000); // no goodbye: the user stays shown
  sockets[1].ready([member("bob", "online", 10)]);
  await deliver(() => second.user("bob").getSnapshot().status === "online");
  second.destroy();
  assert.equal(sockets[1].closedWith, 1000);
});

test("tabs that share learn of the end together", async () => {
  const options = { shareAcrossTabs: true, autoAway: false, user: "alice", token: undefined };
  const { client: first, sockets } = build(options);
  const second = build(options).client;
  FakeSocket.opened = sockets;
  first.connect();
  await deliver(() => sockets.length === 1);
  sockets[0].ready();
  second.connect();
  await deliver(() => second.connection.getSnapshot().state === "live");
  sockets[0].end(4002);
  await deliver(() => second.connection.getSnapshot().state === "closed");
  assert.equal(first.connection.getSnapshot().problem.code, "removed");
  assert.equal(second.connection.getSnapshot().problem.code, "removed");
  first.destroy();
  second.destroy();
});
