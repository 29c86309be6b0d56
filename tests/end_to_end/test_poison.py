"""Input that has broken other servers, in every place that takes input."""

import socket

from poison import LONG_NUMBER, POISON, UNREADABLE, is_good_list
from wire import upgrade_request

FITS_A_FRAME = {name: text for name, text in POISON.items() if len(text) < 16_000}

PATCH_FIELDS = (
    "status",
    "custom_status",
    "activity",
    "until",
    "custom_status_until",
    "appear_offline",
    "lease",
)
HUGE_KEY = "k" * 10_000
# Whole bodies that no address with a body takes.
BODIES = {
    **UNREADABLE,
    "list": b"[]",
    "text": b'"status"',
    "number": b"1",
    "null": b"null",
    "two objects": b"{}{}",
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"status": "dnd"}'.encode("utf-16"),
    "unknown key": b'{"no_such_key": 1}',
    "huge key": b'{"' + HUGE_KEY.encode() + b'": 1}',
    "key with NUL": rb'{"a\u0000b": 1}',
    "key with a lone surrogate": rb'{"\ud800": 1}',
    "empty key": b'{"": 1}',
    "prototype": b'{"__proto__": {"status": "dnd"}}',
}

NO_LIMITS = {"max_presence_changes": 0, "max_requests_per_second": 0, "max_frames_per_second": 0}


class Bystander:
    """Sees to it that poison changes nothing that anybody could see."""

    def __init__(self, server):
        self.server = server
        self.client = server.client("bystander")
        self.victim = server.client("victim")
        self.victim.set("away", custom_status="as it was", activity="calm")
        self.client.wait_for(lambda _: self.client.told_of("victim")[-1:] != [])
        self.client.wait_for(lambda _: self.client.told_of("victim")[-1][1] == "away")
        self.victim.wait_for(lambda frames: frames[-1]["d"].get("status") == "away")
        self.before = self.state()
        self.frames = (len(self.client.frames), len(self.victim.frames))

    def state(self):
        own = self.server.request("GET", "/users/@me", user="victim")[2]
        seen = self.server.request("GET", "/users/victim", user="bystander")[2]
        members = self.server.request("GET", "/servers/everyone/members", user="bystander")[2]
        return own, seen, members

    def assert_unharmed(self):
        assert self.client.is_open
        assert (len(self.client.frames), len(self.victim.frames)) == self.frames
        assert self.state() == self.before
        assert self.server.metric("presence_actor_restarts_total") == 0
        assert "Traceback" not in self.server.log
        self.victim.set("dnd", custom_status="after it")
        self.client.wait_for(lambda _: self.client.told_of("victim")[-1][1] == "dnd")
        assert self.server.stop() == 0
        assert "Traceback" not in self.server.log


def raw_request(server, request):
    """Send bytes as they are; returns the status."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as stream:
        stream.sendall(request)
        answer = b""
        while b"\r\n" not in answer and (data := stream.recv(4096)):
            answer += data
    return int(answer.split()[1])


def send(server, method, path, body, token=None, user="victim"):
    return server.request(method, path, user=None if token else user, token=token, body=body)


def test_no_field_of_a_patch_takes_poison(serving):
    with serving(**NO_LIMITS) as server:
        bystander = Bystander(server)
        sent = 0
        for field in PATCH_FIELDS:
            for name, text in POISON.items():
                # `until` needs a status: without it the field would not be looked at.
                status = b'"status": "dnd", ' if field == "until" else b""
                body = b'{%s"%s": %s}' % (status, field.encode(), text)
                answer = send(server, "PATCH", "/users/@me", body)
                assert answer[0] == 400, (field, name, answer[2])
                assert set(answer[2]) == {"error"}
                sent += 1
        twice = (
            b'{"status": "dnd", "status": "dnd"}',
            rb'{"status": "dnd", "stat\u0075s": "dnd"}',
            b'{"custom_status": "a", "custom_status": null}',
        )
        for body in (*BODIES.values(), *twice):
            status, _, answer = send(server, "PATCH", "/users/@me", body)
            assert (status, set(answer)) == (400, {"error"}), body[:100]
            sent += 1
        for too_large in (b" " * (2 << 20) + b"{}", b'{"%s": 1}' % (b"k" * (2 << 20))):
            assert send(server, "PATCH", "/users/@me", too_large)[0] == 413
            sent += 1
        print(f"\n{sent} poisoned PATCHes refused")
        bystander.assert_unharmed()


def test_no_other_body_takes_poison(serving):
    with serving(**NO_LIMITS) as server:
        bystander = Bystander(server)
        admin = server.token("root", "--admin")
        assert send(server, "PUT", "/servers/team", b'{"name": "Team"}', admin)[0] == 204
        places = [
            ("POST", "/users/presence", None, b'{"ids": %s}'),
            ("POST", "/users/presence", None, b'{"ids": ["victim", %s]}'),
            ("PUT", "/servers/team", admin, b'{"name": %s}'),
            ("PUT", "/users/victim", admin, b'{"username": %s}'),
            ("PUT", "/servers/team/members", admin, b'{"members": %s}'),
            ("PUT", "/servers/team/members", admin, b'{"members": ["victim", %s]}'),
            ("POST", "/auth/dev-token", None, b'{"user": %s}'),
            ("POST", "/auth/dev-token", None, b'{"user": "victim", "servers": %s}'),
            ("POST", "/auth/dev-token", None, b'{"user": "victim", "servers": [%s]}'),
        ]
        sent = 0
        for method, path, token, template in places:
            for name, text in POISON.items():
                if is_good_list(template % text, takes_any_text=path == "/users/presence"):
                    continue
                answer = send(server, method, path, template % text, token)
                assert answer[0] == 400, (method, path, template, name, answer[2])
                sent += 1
            for name, body in BODIES.items():
                if name == "nothing" and method == "PUT" and not path.endswith("members"):
                    continue  # no body at all is an empty object
                answer = send(server, method, path, body, token)
                assert answer[0] == 400, (method, path, name, answer[2])
                sent += 1
        servers = send(server, "GET", "/servers", None, admin)[2]
        assert {"id": "team", "name": "Team"} in servers["servers"]
        print(f"\n{sent} poisoned bodies of other requests refused")
        bystander.assert_unharmed()


PATHS = {
    "/users/%00": 404,
    "/users/%ff": 400,
    "/users/%ed%a0%80": 400,
    "/users/%ud800": 400,
    "/users/%": 400,
    "/users/..%2f..%2fetc": 404,
    "/users/%2e%2e": 404,
    "/users/07": 404,
    "/users/9007199254740992": 404,
    "/users/" + LONG_NUMBER: 404,
    "/users/%D9%A7": 404,
    "/users/" + "x" * 129: 404,
    "/users/": 404,
    "/users//": 404,
    "/servers/%00/members": 404,
    "/servers/%E2%80%AE/members": 404,
    "/servers/everyone/members?limit=0": 400,
    "/servers/everyone/members?limit=501": 400,
    "/servers/everyone/members?limit=" + LONG_NUMBER: 400,
    "/servers/everyone/members?limit=%D9%A7": 400,
    "/servers/everyone/members?limit=1e1": 400,
    "/servers/everyone/members?limit=NaN": 400,
    "/servers/everyone/members?after=%00": 400,
    "/servers/everyone/members?after=%ff": 400,
    "/servers/everyone/members?limit=1&limit=2": 400,
    "/no%0d%0aSet-Cookie:%20a=b": 404,
}

ME = b"/users/@me?user=victim HTTP/1.1\r\n"
HOST = b"host: localhost\r\n"
HEADS = {
    b"GET /users/\xff HTTP/1.1\r\n" + HOST: {400},
    b"GET /users/\x00 HTTP/1.1\r\n" + HOST: {400},
    b"GET " + ME + HOST + b"x: a\x00b\r\n": {400},
    b"GET " + ME + HOST + b"x y: 1\r\n": {400},
    b"GET " + ME + b"host: \xff\r\n": {400},
    b"GET " + ME: {400},
    b"GET /users/@me?user=victim HTTP/9.9\r\n" + HOST: {400, 505},
    b"GET /users/@me HTTP/1.1\r\n" + HOST + b"authorization: Bearer \xff\r\n": {401},
    b"GET /users/@me HTTP/1.1\r\n" + HOST + b"authorization: \xff\r\n": {401},
    b"GET " + ME + HOST + b"x: " + b"y" * 20_000 + b"\r\n": {431},
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n": {400},
    b"PATCH " + ME + HOST + b"content-length: " + LONG_NUMBER.encode() + b"\r\n": {400, 413},
    b"PATCH " + ME + HOST + b"content-length: -1\r\n": {400},
    b"PATCH " + ME + HOST + b"content-length: 2\r\ntransfer-encoding: chunked\r\n": {400},
}


def test_paths_queries_and_headers_take_no_poison(serving):
    with serving(**NO_LIMITS) as server:
        bystander = Bystander(server)
        for path, expected in PATHS.items():
            assert (path, server.request("GET", path, user="victim")[0]) == (path, expected)
        for head, expected in HEADS.items():
            assert raw_request(server, head + b"\r\n") in expected, head[:120]
        tokens = ["x", "a.b.c", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ2aWN0aW0ifQ.", "x" * 10_000]
        for token in tokens:
            assert server.request("GET", "/users/@me", token=token)[0] == 401
        print(
            f"\n{len(PATHS)} paths, {len(HEADS)} heads, {len(tokens)} tokens refused as documented"
        )
        bystander.assert_unharmed()


WISHES = {
    "state=busy": 400,
    "state=": 400,
    "state=%00": 400,
    "status=invisible": 400,
    "status=%ED%A0%80": 400,
    "status=NaN": 400,
    "device=%00": 400,
    "device=" + "d" * 129: 400,
    "device=%E2%80%AE": 400,
    "device=%ff": 400,
    "device=": 400,
    "state=idle&state=offline": 400,
    "user=mallory": 400,
    "token=%00": 401,
    "token=%F0%9F%98%80": 401,
}
WHO = {"user=07": 401, "user=%00": 401, "user=@me": 401, "user=" + LONG_NUMBER: 401, "": 401}


def test_a_connect_with_a_poisoned_wish_is_refused_before_the_upgrade(serving):
    with serving(**NO_LIMITS) as server:
        bystander = Bystander(server)
        asked = {f"user=victim&{wish}": code for wish, code in WISHES.items()} | WHO
        for query, expected in asked.items():
            head = upgrade_request(f"/ws?{query}")
            assert (query, raw_request(server, head)) == (query, expected)
        print(f"\n{len(asked)} poisoned connects refused")
        bystander.assert_unharmed()


def frames_of_poison():
    """Frames that are dropped and counted, the socket staying."""
    template = b'{"op": "PRESENCE_UPDATE", "d": {"status": "dnd", "%s": %s}}'
    fields = ("custom_status", "activity", "until", "custom_status_until", "afk")
    for text in FITS_A_FRAME.values():
        for field in fields:
            yield template % (field.encode(), text)
        yield b'{"op": "PRESENCE_UPDATE", "d": {"status": %s}}' % text
        yield b'{"op": "PRESENCE_UPDATE", "d": %s}' % text
        yield b'{"op": %s, "d": {"status": "dnd"}}' % text
        yield text
    yield from (
        b"null",
        b'"PRESENCE_UPDATE"',
        b"[]",
        b"1",
        b"{}",
        b'{"op": null}',
        b'{"op": "presence_update", "d": {"status": "dnd"}}',
        b'{"op": "PRESENCE_UPDATE"}',
        b'{"op": "PRESENCE_UPDATE", "d": {}}',
        b'{"op": "PRESENCE_UPDATE", "d": {"status": null}}',
        b'{"op": "PRESENCE_UPDATE", "d": {"status": "dnd", "status": "dnd"}}',
        b'{"op": "PRESENCE_UPDATE", "op": "HEARTBEAT"}',
        rb'{"op": "PRESENCE_UPDATE", "d": {"status": "dnd", "\u0073tatus": "dnd"}}',
        rb'{"op": "PRESENCE_UPDATE", "d": {"status": "dnd", "\ud800": 1}}',
        b'{"op": "PRESENCE_UPDATE", "d": {"status": "dnd", "afk": true}}',
        b'{"op": "PRESENCE_UPDATE", "d": {"' + HUGE_KEY.encode() + b'": "dnd"}}',
        b'{"' + HUGE_KEY.encode() + b'": "PRESENCE_UPDATE"}',
    )


def is_utf8(frame):
    try:
        frame.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_the_gateway_drops_poison_and_keeps_the_socket(serving):
    with serving(**NO_LIMITS) as server:
        bystander = Bystander(server)
        sent = 0
        for frame in frames_of_poison():
            if is_utf8(frame):  # else it is no text frame at all, see below
                bystander.victim.send(frame, text=True)
                sent += 1
            bystander.victim.send(frame)  # a binary one
            sent += 1
            if sent % 50 == 0:
                bystander.client.beat()
        bystander.victim.beat()
        bystander.client.beat()
        assert bystander.victim.is_open
        assert server.metric("presence_frames_dropped_total") == sent
        acks = [client.frames.count({"op": "HEARTBEAT_ACK"}) for client in server.clients]
        bystander.frames = tuple(n + ack for n, ack in zip(bystander.frames, acks, strict=True))
        print(f"\n{sent} poisoned frames dropped and counted, the socket stayed")
        bystander.assert_unharmed()


ENDINGS = {
    # WebSocket itself forbids these; the server need not say why it ends the connection.
    b'{"op": "\xff"}': {1006, 1007},
    b'{"op": "\xed\xa0\x80"}': {1006, 1007},
    b"[" * 100_000: {1009},
    b'"' + b"x" * 16_383 + b'"': {1009},
}


def test_an_oversized_or_invalid_frame_ends_its_socket_alone(serving):
    with serving(**NO_LIMITS) as server:
        bystander = Bystander(server)
        for frame, codes in ENDINGS.items():
            tab = server.client("victim")
            tab.send(frame, text=True)
            assert (frame[:20], tab.wait_closed() in codes) == (frame[:20], True)
        print(f"\n{len(ENDINGS)} sockets ended, nobody else's")
        bystander.assert_unharmed()
