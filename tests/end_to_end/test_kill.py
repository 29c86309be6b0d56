"""The server is killed under load, again and again, and started on what is on its disk."""

import http.client
import json
import random
import shutil
import sqlite3
import threading
import time
from contextlib import closing
from datetime import datetime

import pytest
from websockets.exceptions import ConnectionClosed

KILLS = 10
KILLS_IN_FULL = 20
STATUSES = ("online", "away", "dnd")
STATES = {"online", "idle", "offline"}

SETTINGS = {"max_presence_changes": 0, "max_requests_per_second": 0, "max_frames_per_second": 0}

# How each user comes back: the wishes of the connect must bring nobody into the open.
RETURNS = {
    "hidden": {"device": "phone", "status": "online"},  # by intent
    "flagged": {"status": "online"},  # by appear_offline
    "busy": {"status": "online"},  # dnd
    "mover": {"device": "desk"},
    "patcher": {"device": "desk"},
}
HIDDEN = ("hidden", "flagged")
LEASED = "leased"  # has no socket, PATCHes only
USERS = (*RETURNS, LEASED)


def numbered(number):
    """The fields of one change: a stored row must not hold parts of two."""
    return {"custom_status": f"text {number}", "activity": f"doing {number}"}


def number_of(text):
    return None if text is None else int(text.split()[1])


class Load(threading.Thread):
    """One user changing as fast as it can, until the server is gone."""

    def __init__(self, server, user, client, attempted, acknowledged):
        super().__init__(daemon=True)
        self.user = user
        self.attempted = attempted
        self.acknowledged = acknowledged
        self._server = server
        self._client = client

    def run(self):
        try:
            while True:
                self.attempted += 1
                if self.user in ("patcher", LEASED):
                    self._patch(self.attempted)
                else:
                    self._send(self.attempted)
        except (ConnectionClosed, OSError, http.client.HTTPException):
            pass  # killed

    def _patch(self, number):
        change = {"status": STATUSES[number % 3], "appear_offline": number % 4 == 0}
        body = change | numbered(number)
        status, headers, _ = self._server.request("PATCH", "/users/@me", user=self.user, body=body)
        assert status == 200
        if headers["presence-persisted"] is None:
            self.acknowledged = number

    def _send(self, number):
        fixed = {"hidden": "offline", "busy": "dnd"}
        self._client.set(fixed.get(self.user, STATUSES[number % 3]), **numbered(number))
        self._client.beat()


class Story:
    """The expected state of the users over all kills."""

    def __init__(self, server):
        self.server = server
        self.clients = {}
        self.observer = None
        self.loads = []
        self.attempted = dict.fromkeys(USERS, 0)
        self.acknowledged = dict.fromkeys(USERS, 0)
        self.versions = dict.fromkeys(USERS, 0)
        self.stored = {}
        self.frozen = {}
        self.seen_hiding = dict.fromkeys(HIDDEN, 0)
        self.sightings = []
        self.ghosts = []
        self.acknowledgements = 0
        self.behind = 0

    def begin(self):
        """Everybody is seen once; then two users hide, in the two ways there are."""
        self.observer = self.server.client("observer")
        for user, params in RETURNS.items():
            self.clients[user] = self.server.client(user, **params)
        self._patch(LEASED, {"status": "online"})
        self._patch("flagged", {"appear_offline": True})
        self.clients["hidden"].set("offline")
        self.clients["busy"].set("dnd")
        for user, status in (("flagged", "offline"), ("hidden", "offline"), ("busy", "dnd")):
            self.observer.wait_for(lambda _, u=user, s=status: self.last_status(u) == s)
        self.frozen = {user: self.views()[user] for user in HIDDEN}
        self.seen_hiding = {user: len(self.observer.told_of(user)) for user in HIDDEN}
        # A socket's change is stored soon; a PATCH of nothing waits for it.
        self._patch("hidden", {})
        self._patch("busy", {})

    def last_status(self, user):
        return ([None] + [status for _, status in self.observer.told_of(user)])[-1]

    def _patch(self, user, body):
        status, headers, _ = self.server.request("PATCH", "/users/@me", user=user, body=body)
        assert (status, headers["presence-persisted"]) == (200, None)

    def views(self):
        _, _, body = self.server.request(
            "POST", "/users/presence", user="observer", body={"ids": list(USERS)}
        )
        return {view["id"]: view for view in body["users"]}

    # -- one round ---------------------------------------------------------------------------

    def change_for(self, seconds):
        self.began_at = time.time()
        self.loads = [
            Load(
                self.server,
                user,
                self.clients.get(user),
                self.attempted[user],
                self.acknowledged[user],
            )
            for user in USERS
        ]
        for load in self.loads:
            load.start()
        time.sleep(seconds)

    def kill(self):
        self.server.kill()
        self.killed_at = time.time()
        for load in self.loads:
            load.join(10)
            assert not load.is_alive()
            self.acknowledgements += load.acknowledged - self.acknowledged[load.user]
            self.attempted[load.user] = load.attempted
            self.acknowledged[load.user] = load.acknowledged
        for user in USERS:
            told = [version for version, _ in self.observer.told_of(user)]
            assert told == sorted(set(told))
            assert not told or told[0] > self.versions[user]
            self.versions[user] = max([self.versions[user], *told])
        for user in HIDDEN:
            self.sightings += self.observer.told_of(user)[self.seen_hiding[user] :]

    def check_rows(self, directory):
        """Read a copy of the file: the server is to find its own as the kill left it."""
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        for file in self.server.data.glob("presence.db*"):
            if not file.name.endswith("-shm"):
                shutil.copy(file, directory)
        with closing(sqlite3.connect(directory / "presence.db")) as db:
            db.row_factory = sqlite3.Row
            assert [tuple(row) for row in db.execute("PRAGMA integrity_check")] == [("ok",)]
            meta = db.execute("SELECT * FROM meta").fetchone()
            rows = {row["id"]: row for row in db.execute("SELECT * FROM users")}
        assert set(rows) == {*USERS, "observer"}
        for row in rows.values():
            check_row(row, meta)
        for load in self.loads:
            self._check_last(rows[load.user], load)

    def _check_last(self, row, load):
        number = number_of(row["own_custom_status"]) or 0
        assert load.acknowledged <= number <= load.attempted, (load.user, dict(row))
        if number and load.user in ("patcher", LEASED):
            assert row["appear_offline"] == (number % 4 == 0)
            assert row["intent"] == STATUSES[number % 3]
        if number and load.user == "mover":
            assert row["intent"] == STATUSES[number % 3]
        self.stored[load.user] = dict(row)

    def check_nobody_is_shown(self):
        """Before anybody has returned; and public views are as they were, if they were offline.

        But for the one whom a lease holds: it is shown as it was.
        """
        _, _, page = self.server.request("GET", "/servers/everyone/members", user="observer")
        self.ghosts += [
            member
            for member in page["members"]
            if member["status"] != "offline" and member["user_id"] != LEASED
        ]
        views = self.views()
        leased = views.pop(LEASED)
        assert leased["status"] == self.stored[LEASED]["status"]
        assert leased["custom_status"] == self.stored[LEASED]["custom_status"]
        assert leased["activity"] == self.stored[LEASED]["activity"]
        self.behind += leased["version"] < self.versions[LEASED]
        for user, view in views.items():
            seen_at = datetime.fromisoformat(view["last_seen"]).timestamp()
            was_visible = self.stored[user]["status"] != "offline"
            if user in HIDDEN:
                assert view | {"version": 0} == self.frozen[user] | {"version": 0}
                assert view["version"] >= self.frozen[user]["version"]
            elif was_visible:
                assert self.began_at - 5 <= seen_at <= self.killed_at
                assert view["version"] > self.versions[user]
            self.behind += view["version"] < self.versions[user]

    def return_all(self):
        """Everybody comes back as stored, and nobody in the open who was not."""
        self.observer = self.server.client("observer")
        (everyone,) = self.observer.frames[0]["d"]["servers"]
        online = [each["user_id"] for each in everyone["members"] if each["status"] != "offline"]
        is_leased_shown = self.stored[LEASED]["status"] != "offline"
        assert online == ([LEASED, "observer"] if is_leased_shown else ["observer"])
        for user, params in RETURNS.items():
            self.clients[user] = self.server.client(user, **params)
            self._check_self_view(user, self.clients[user].self_view)
        self._check_self_view(LEASED, self.server.request("GET", "/users/@me", user=LEASED)[2])
        assert self.clients["hidden"].self_view["status"] == "offline"
        assert self.clients["flagged"].self_view["status"] == "offline"
        assert self.clients["busy"].self_view["status"] == "dnd"
        self.observer.wait_for(lambda _: self.observer.told_of("busy"))
        assert {status for _, status in self.observer.told_of("busy")} == {"dnd"}
        self.seen_hiding = dict.fromkeys(HIDDEN, 0)

    def _check_self_view(self, user, view):
        stored = self.stored[user]
        assert view["custom_status"] == stored["own_custom_status"]
        assert view["appear_offline"] == bool(stored["appear_offline"])
        assert view["intent"] == stored["intent"]


def check_row(row, meta):
    """Check invariants of a row that exactly one change has written."""
    assert row["status"] in (*STATUSES, "offline")
    assert row["intent"] in (*STATUSES, "offline")
    assert row["former_intent"] in (*STATUSES, "offline")
    assert {row["is_shown"], row["appear_offline"], row["is_sealed"]} <= {0, 1}
    assert row["username"] == row["own_name"] == row["id"]
    assert set(json.loads(row["device_states"]).values()) <= STATES
    assert row["attached_in"] is None or row["attached_in"] <= meta["start_number"]
    assert row["version"] <= meta["latest_version"]
    assert row["version"] >> 32 <= meta["start_number"]
    is_hiding = row["appear_offline"] or row["intent"] == "offline"
    if row["status"] == "offline":
        assert row["activity"] is None
        assert row["last_seen"] is not None
    else:
        assert not is_hiding
        assert row["last_seen"] is None
        assert row["status"] == row["intent"]
        assert (row["custom_status"], row["activity"]) == (
            row["own_custom_status"],
            row["own_activity"],
        )
    activity = number_of(row["own_activity"])
    assert activity in (None, number_of(row["own_custom_status"]))


# Twice, so that no single test takes a minute.
@pytest.mark.parametrize("seed", [20261121, 20261122])
def test_kills_leave_no_ghost_no_torn_row_and_nobody_in_the_open(serving, is_full, tmp_path, seed):
    chance = random.Random(seed)
    kills = KILLS_IN_FULL if is_full else KILLS
    starts = []
    with serving(**SETTINGS) as server:
        story = Story(server)
        story.begin()
        for _ in range(kills):
            story.change_for(chance.uniform(0.5, 3.0) if is_full else chance.uniform(0.05, 0.4))
            story.kill()
            story.check_rows(tmp_path / "copy")
            began_at = time.monotonic()
            server.start()
            starts.append(time.monotonic() - began_at)
            story.check_nobody_is_shown()
            story.return_all()
        changes = sum(story.attempted.values())
        print(f"\n{kills} kills (seed {seed}), each under {len(USERS)} users' load")
        print(f"{changes} changes attempted, {story.acknowledgements} acknowledged as stored")
        print(f"ghosts {len(story.ghosts)}, sightings of hidden users {len(story.sightings)},")
        print("torn rows 0, acknowledged changes lost 0")
        print(f"views whose version is behind what was told before the kill: {story.behind}")
        print(f"start until ready: {min(starts):.2f} to {max(starts):.2f} s")
        assert (story.ghosts, story.sightings) == ([], [])
        assert story.behind == 0
        assert server.metric("presence_actor_restarts_total") == 0
        assert server.stop() == 0
        assert "Traceback" not in server.log
