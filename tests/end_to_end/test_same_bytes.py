"""A hidden user looks like a gone one: two histories, the same bytes for everybody else.

Both runs have the same public history on a fresh server. In the first one
*dora* is really gone for a while; in the others she is connected meanwhile and
busy in secret. What others get of it, over sockets and over REST, is compared
byte for byte; of an answer over HTTP all but its date. Only `last_seen` differs
between two runs: each of its values is told by when it first appeared.
"""

import http.client
import json
import re
import signal
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from wire import FINAL, PING, TEXT, masked_frame
from wire_client import InvalidInput, WireClient, wait_until

SETTINGS = {
    "grace_after": 3,
    "presence_window": 1,
    "max_connections_per_user": 6,
    # No ping of ours shall fall into one run and not into the other.
    "socket_ping_every": 300,
    "socket_lost_after": 400,
}
TEXT_ENDS_AFTER = 3
MATRIX = "/_matrix/client/v3"
STREAMS = ("/events", "/users/@me/events")
LAST_ACTIVE = re.compile(rb'"last_active_ago":[0-9]+')
LAST_SEEN = re.compile(rb'"last_seen":"([^"]*)"')
PATIENCE = 200
MANY_BYTES = 1 << 16
STOP_WITHIN = 10.0


class Stage:
    """One run: the server, its public history, and what others than dora were told."""

    def __init__(self, server, absence):
        self.server = server
        self.absence = absence
        self.told = []
        self._open = {}
        self._streams = {}
        self._doras = []
        self.admin = None

    def play(self):
        """Live through it all; everything that others were told, as (what, bytes)."""
        try:
            self._play()
            return self._sum_up()
        finally:
            for client in [*self._open.values(), *self._doras]:
                client.socket.close()
            for stream in self._streams.values():
                stream.close()

    def _play(self):
        self.admin = self.server.token("root", "--admin")
        olga, pia, dora = self._meet()
        self._lose_sight_of_her(olga, dora)
        olga, otto = self._live_without_her(olga, pia)
        self._administrate_her(olga, pia, otto)
        olga, otto = self.restart()
        self.absence.do_something(self)
        self.ask_all("olga", "restarted")
        self._see_her_again(olga, otto)

    def _meet(self):
        self.administrate("PUT", "/servers/team", {"name": "Team"})
        self.administrate("PUT", "/servers/team/members", {"members": ["dora", "olga"]})
        self.administrate("PUT", "/servers/club", {})
        self.administrate("PUT", "/servers/club/members", {"members": ["olga", "pia"]})
        olga = self.come("olga")
        pia = self.come("pia")
        olga.wait_shown("pia", status="online")
        for path in STREAMS:
            self.stream(path, "olga")
        dora = self.come_as_dora("/ws?user=dora&device=phone")
        olga.wait_shown("dora", status="online")
        return olga, pia, dora

    def _lose_sight_of_her(self, olga, dora):
        dora.update(
            status="dnd",
            custom_status="Tea",
            custom_status_until=TEXT_ENDS_AFTER,
            activity="chess",
        )
        olga.wait_shown("dora", status="dnd", custom_status="Tea", activity="chess")
        self.ask_all("olga", "visible")

        self.absence.hide(self, dora)
        olga.wait_shown("dora", status="offline", custom_status="Tea", activity=None)
        self.ask("olga", "just hidden", "GET", "/users/dora")
        self.absence.do_something(self)
        olga.wait_shown("dora", status="offline", custom_status=None)
        self.absence.do_much(self)
        self.ask_all("pia", "hidden")

    def _live_without_her(self, olga, pia):
        pia.update(status="away", custom_status="Lunch")
        olga.wait_shown("pia", status="away")
        self.absence.do_something(self)
        pia.update(status="online", activity="reading")
        olga.wait_shown("pia", status="online")
        olga.leave()
        pia.wait_shown("olga", status="offline")
        self.absence.do_something(self)
        olga = self.come("olga")
        pia.wait_shown("olga", status="online")
        otto = self.come("otto")
        olga.wait_shown("otto", status="online")
        return olga, otto

    def _administrate_her(self, olga, pia, otto):
        self.administrate("PUT", "/servers/club/members/dora")
        olga.wait_shown("dora", status="offline")
        self.administrate("PUT", "/users/dora", {"username": "Dora D."})
        olga.wait_shown("dora", username="Dora D.")
        self.administrate("POST", "/users/dora/disconnect")
        self.absence.come_back(self)
        self.administrate("DELETE", "/servers/club/members/dora")
        olga.wait_for(lambda message: message.get("t") == "SERVER_MEMBER_REMOVE")
        self.absence.do_something(self)
        self.ask_all("otto", "administrated")
        for client in (olga, pia, otto):
            client.beat()

    def _see_her_again(self, olga, otto):
        dora = self.absence.show(self)
        olga.wait_shown("dora", status="online", custom_status=None, activity=None)
        dora.update(status="away", custom_status="Back", activity="go")
        olga.wait_shown("dora", status="away", custom_status="Back", activity="go")
        self.ask_all("otto", "visible again")
        dora.leave()
        olga.wait_shown("dora", status="offline", within=2)
        self.ask_all("pia", "gone at last")
        for client in (olga, otto):
            client.beat()

    # -- what everybody does -----------------------------------------------------------------

    def come(self, user):
        """Connect one of the observers, and keep all that it gets."""
        client = WireClient(self.server.port, f"/ws?user={user}")
        client.wait_ready()
        self._open[f"socket {len(self._open)} of {user}"] = client
        return client

    def stream(self, path, user):
        """Open an event stream until the restart; over HTTP/1.0, where no length tells of times."""
        stream = socket.create_connection(("127.0.0.1", self.server.port), timeout=STOP_WITHIN)
        target = f"{path}?user={user}&device=stream&state=offline"
        stream.sendall(f"GET {target} HTTP/1.0\r\nhost: localhost\r\n\r\n".encode())
        self._streams[path] = stream
        own = f'"{user}"'.encode()
        wait_until(lambda: own in stream.recv(MANY_BYTES, socket.MSG_PEEK))

    def come_as_dora(self, target):
        client = WireClient(self.server.port, target)
        self._doras.append(client)
        client.wait_ready()
        return client

    def restart(self):
        """Stop and start the server; olga and otto come back."""
        self.server.signal(signal.SIGTERM)
        for client in [*self.absence.connections, *self._open.values()]:
            if not client.is_closed:
                client.wait_end()
        assert self.server.process.wait(STOP_WITHIN) == 0
        self.server.start()
        self.absence.return_after_restart(self)
        olga = self.come("olga")
        otto = self.come("otto")
        olga.wait_shown("otto", status="online")
        return olga, otto

    def _sum_up(self):
        for name, client in self._open.items():
            client.read_what_came()
            self.told.append((f"{name}, head", client.head))
            self.told.append((name, bytes(client.received)))
        for path, stream in self._streams.items():
            head, _, events = stream.makefile("rb").read().partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            assert b"dora" in events
            self.told.append((path, events))
        told = [(what, LAST_ACTIVE.sub(b'"last_active_ago":0', heard)) for what, heard in self.told]
        return number_last_seen(told)

    # -- requests ----------------------------------------------------------------------------

    def administrate(self, method, path, body=None):
        self.ask("root", "administration", method, path, body, token=self.admin)

    def ask_all(self, user, when):
        """Everything that can be asked about dora, and about those who never showed."""
        some = ["dora", "nell", "olga", "mona", "rita"]
        for method, path, body in [
            ("GET", "/users/dora", None),
            ("HEAD", "/users/dora", None),
            ("POST", "/users/presence", {"ids": some}),
            ("GET", "/servers/everyone/members", None),
            ("GET", "/servers/everyone/members?limit=1", None),
            ("GET", "/servers/team/members?limit=1", None),
            ("GET", "/servers/team/members", None),
            ("GET", "/servers/club/members", None),
            ("GET", "/servers/hideout/members", None),
            ("GET", "/users/nell", None),
            ("GET", "/users/rita", None),
            ("PUT", "/users/dora", {}),
            ("DELETE", "/users/dora", None),
        ]:
            self.ask(user, when, method, path, body)
        newcomer = f"ines{len(self.told)}"
        for method, path, body in [
            ("GET", "/users/dora/explain", None),
            ("GET", "/presence/dora", None),
            ("GET", "/presence/nell", None),
            ("PUT", "/presence/dora/devices/phone", {"state": "online"}),
            ("GET", f"{MATRIX}/presence/@dora:localhost/status", None),
            ("GET", f"{MATRIX}/presence/@nell:localhost/status", None),
            ("PUT", f"{MATRIX}/presence/@dora:localhost/status", {"presence": "online"}),
            ("GET", f"{MATRIX}/sync?set_presence=offline", None),
            ("GET", "/events?timeout=0&state=offline&device=poll", None),
        ]:  # by somebody new, whose rate of requests is its own
            self.ask(newcomer, when, method, path, body)

    def ask(self, user, when, method, path, body=None, *, token=None):
        status, headers, answer = exchange(self.server.port, method, path, user, body, token)
        dropped = {"date", "content-length"} if LAST_ACTIVE.search(answer) else {"date"}
        kept = [(name, value) for name, value in headers if name not in dropped]
        assert status != 429, "the observer itself asks too much"
        what = f"{when}: {method} {path} by {user}"
        self.told.append((what, repr((status, kept)).encode() + answer))


def exchange(port, method, path, user, body=None, token=None):
    """One request; (status, headers in order, body)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    elif user is not None:
        path += ("&" if "?" in path else "?") + f"user={user}"
    payload = None if body is None else json.dumps(body).encode()
    connection.request(method, path, body=payload, headers=headers)
    answer = connection.getresponse()
    with answer:
        found = answer.status, answer.getheaders(), answer.read()
    connection.close()
    return found


def number_last_seen(told):
    """Put for each time of day the number of its first appearance."""
    numbers = {}

    def number(match):
        first = numbers.setdefault(match[1], len(numbers) + 1)
        return b'"last_seen":"#%d"' % first

    return [(what, LAST_SEEN.sub(number, heard)) for what, heard in told]


# -- absences --------------------------------------------------------------------------------


class Gone:
    """She is really not there."""

    connections = ()

    def hide(self, stage, dora):
        dora.leave()

    def do_something(self, stage):
        pass

    do_much = come_back = return_after_restart = do_something

    def show(self, stage):
        return stage.come_as_dora("/ws?user=dora&device=phone")


class Hidden:
    """She is there, unseen; each kind says how she hides and which status she may name."""

    wish = ""
    statuses = ("offline",)

    def __init__(self):
        self.main = None
        self.number = 0

    @property
    def connections(self):
        return (self.main,)

    # -- what others must not notice ---------------------------------------------------------

    def do_something(self, stage):
        """A text, an activity, a heartbeat, a second device that comes and goes."""
        self.number += 1
        with self.connect(stage, "tablet") as tablet:
            self.say(stage, custom_status=f"secret {self.number}", activity=f"plot {self.number}")
            self.wait_self(stage, custom_status=f"secret {self.number}")
            tablet.beat()
            tablet.leave()
        self.sync(stage)
        self.main.beat()

    def sync(self, stage):
        """Poll, and set the state of a device, as a Matrix client and a bot do."""
        port = stage.server.port
        polled = exchange(port, "GET", f"{MATRIX}/sync?set_presence=offline", "dora")
        put = exchange(
            port, "PUT", "/presence/dora/devices/bot", "dora", {"state": "offline", "lease": 10}
        )
        removed = exchange(port, "DELETE", "/presence/dora/devices/bot", "dora")
        assert {polled[0], put[0], removed[0]} <= {200, 204, 429}

    def do_much(self, stage):
        self.flood_texts(stage)
        self.abort_connections(stage)
        self.break_limits(stage)
        self.claim(stage)
        self.bring_newcomers(stage)
        self.lose_all_and_return(stage)

    def flood_texts(self, stage):
        number = 0
        while self.patch(stage, custom_status=f"text {number}", activity="game") == 200:
            number += 1
            assert number < PATIENCE
        for status in self.statuses:
            self.main.update(status=status, custom_status="over the socket", activity=None)
            self.main.beat()
        for _ in range(60):
            self.main.say("HEARTBEAT")
        self.main.send(PING, b"secret")
        self.main.update(status="no status")
        self.main.send(TEXT, b"no JSON")
        for _ in range(30):
            exchange(stage.server.port, "GET", "/users/@me", "dora")

    def abort_connections(self, stage):
        for device in ("phone", "laptop", "watch"):
            self.connect(stage, device).vanish()
        half = socket.create_connection(("127.0.0.1", stage.server.port))
        half.sendall(b"GET /ws?user=dora HTTP/1.1\r\nhost: localhost\r\n")
        half.close()
        with self.connect(stage, "laptop") as huge:
            huge.socket.sendall(bytes([0x81, 0xFF]) + b"\x7f" * 8 + bytes(4))
            assert huge.wait_end() == 1009
        with self.connect(stage, "laptop") as pinging:
            pinging.socket.sendall(masked_frame(FINAL | PING) * 200)
            assert pinging.wait_end() == 4008

    def break_limits(self, stage):
        devices = []
        while (device := self.try_to_connect(stage, f"device{len(devices)}")) is not None:
            devices.append(device)
        for device in devices:
            device.leave()

    def claim(self, stage):
        """Join servers by a token, under another name; then none by another one."""
        token = stage.server.token(
            "dora", "--name", "Nobody", "--server", "hideout", "--server", "club"
        )
        with self.connect(stage, "tablet", token=token) as claiming:
            claiming.leave()
        body = {"user": "dora", "servers": []}
        answer = exchange(stage.server.port, "POST", "/auth/dev-token", None, body)[2]
        with self.connect(stage, "tablet", token=json.loads(answer)["token"]) as claiming:
            claiming.leave()

    def bring_newcomers(self, stage):
        """Users who were never seen, and are not now."""
        stage.come_as_dora("/ws?user=nell&state=offline")
        stage.come_as_dora("/ws?user=mona&status=offline").leave()
        body = {"appear_offline": True, "status": "online", "custom_status": "never seen"}
        assert exchange(stage.server.port, "PATCH", "/users/@me", "rita", body)[0] == 200

    def lose_all_and_return(self, stage):
        """Hidden to gone publishes nothing; nor does coming back."""
        self.main.vanish()
        self.main = self.connect(stage, "phone")
        self.main.leave()
        self.come_back(stage)

    def come_back(self, stage):
        self.main = self.connect(stage, "phone")
        self.do_something(stage)

    def return_after_restart(self, stage):
        """Whatever is wished now: how she was before the restart holds."""
        self.main = stage.come_as_dora("/ws?user=dora&device=phone&status=online")

    # -- how ---------------------------------------------------------------------------------

    def connect(self, stage, device, token=None):
        """Connect unseen, once those that are over have been noticed to be."""
        return wait_until(lambda: self.try_to_connect(stage, device, token))

    def try_to_connect(self, stage, device, token=None):
        who = "user=dora" if token is None else f"token={token}"
        try:
            return stage.come_as_dora(f"/ws?{who}&device={device}{self.wish}")
        except InvalidInput as refused:
            if refused.status != 429:
                raise
            return None

    def say(self, stage, **texts):
        """Set texts over the socket."""
        self.main.update(status=self.statuses[self.number % len(self.statuses)], **texts)

    def patch(self, stage, **change):
        return exchange(stage.server.port, "PATCH", "/users/@me", "dora", change)[0]

    def patch_in_the_end(self, stage, **change):
        wait_until(lambda: self.patch(stage, **change) == 200)

    def wait_self(self, stage, **wanted):
        self.main.wait_for(lambda message: wanted.items() <= message.get("d", {}).items())

    def is_settled(self, stage):
        """True once dora's own view is what it was before she hid, her activity apart."""
        answer = exchange(stage.server.port, "GET", "/users/@me", "dora")
        return answer[0] == 200 and json.loads(answer[2])["custom_status"] is None

    def show(self, stage):
        """Be as she would be had she been gone, but for an activity that must not show."""
        self.patch_in_the_end(stage, custom_status=None, activity="still secret")
        wait_until(lambda: self.is_settled(stage))
        self.reveal(stage)
        return self.main


class HiddenByUpdate(Hidden):
    """Her intent is offline: first by a message, then by the wish of each connection."""

    wish = "&status=offline"

    def hide(self, stage, dora):
        self.main = dora
        dora.update(status="offline", custom_status="hiding", activity="in the very command")

    def reveal(self, stage):
        self.main.update(status="online")


class HiddenByWish(HiddenByUpdate):
    """She went, and came back with the wish to be offline."""

    def hide(self, stage, dora):
        dora.leave()
        self.main = self.connect(stage, "phone")


class HiddenByFlag(Hidden):
    """She appears offline, whatever her status."""

    statuses = ("online", "dnd", "away")

    def hide(self, stage, dora):
        self.main = dora
        assert self.patch(stage, appear_offline=True, activity="in the very command") == 200

    def reveal(self, stage):
        self.patch_in_the_end(stage, appear_offline=False, status="online")


class HiddenByState(Hidden):
    """She went, and came back on connections that do not count."""

    wish = "&state=offline"
    statuses = ()

    def hide(self, stage, dora):
        dora.leave()
        self.main = self.connect(stage, "phone")

    def say(self, stage, **texts):
        self.patch_in_the_end(stage, **texts)

    def reveal(self, stage):
        self.main.update(status="online")


class Careless(Gone):
    """She is gone, but for one moment that everybody may see."""

    def do_much(self, stage):
        stage.come_as_dora("/ws?user=dora").leave()


ABSENCES = [Gone, HiddenByUpdate, HiddenByWish, HiddenByFlag, HiddenByState, Careless]


@pytest.fixture(scope="module")
def runs(tmp_path_factory, open_server):
    """By kind of absence, the future of what others were told; the runs go side by side."""

    def play(kind, directory):
        with open_server(directory, **SETTINGS) as server:
            told = Stage(server, kind()).play()
            assert "Traceback" not in server.log
            return told

    with ThreadPoolExecutor(len(ABSENCES)) as pool:
        directories = {kind: tmp_path_factory.mktemp(kind.__name__) for kind in ABSENCES}
        yield {kind: pool.submit(play, kind, path) for kind, path in directories.items()}


@pytest.mark.parametrize("hidden", [HiddenByUpdate, HiddenByWish, HiddenByFlag, HiddenByState])
def test_others_get_the_same_bytes_whether_she_is_hidden_or_gone(runs, hidden):
    told, told_of_gone = runs[hidden].result(), runs[Gone].result()
    print(f"\n{sum(len(heard) for _, heard in told)} bytes in {len(told)} answers and sockets")
    assert [what for what, _ in told] == [what for what, _ in told_of_gone]
    for (what, heard), (_, heard_of_gone) in zip(told, told_of_gone, strict=True):
        assert heard == heard_of_gone, what


def test_the_comparison_notices_one_open_moment(runs):
    differing = [
        what
        for (what, heard), (_, heard_of_gone) in zip(
            runs[Careless].result(), runs[Gone].result(), strict=True
        )
        if heard != heard_of_gone
    ]
    assert "hidden: GET /users/dora by pia" in differing
    assert {"socket 0 of olga", *STREAMS} <= set(differing)


def test_coming_and_going_in_secret_does_not_delay_an_end_in_the_open(serving):
    grace_after = 5.0
    with (
        serving(grace_after=grace_after) as server,
        WireClient(server.port, "/ws?user=olga") as olga,
    ):
        olga.wait_ready()
        dora = WireClient(server.port, "/ws?user=dora&device=phone")
        olga.wait_shown("dora", status="online")
        dora.update(status="offline")
        olga.wait_shown("dora", status="offline")
        for _ in range(6):
            with WireClient(server.port, "/ws?user=dora&device=tablet") as tablet:
                tablet.beat()
                tablet.leave()
        dora.update(status="online")
        olga.wait_shown("dora", status="online")

        dora.leave()

        olga.wait_shown("dora", status="offline", within=grace_after / 2)
