"""All frames that each connection of three users gets, from the first to the last."""

import time

GRACE_AFTER = 1.0


def changed(user, status, custom_status=None, activity=None):
    """The event of a change, for others."""
    data = {
        "user_id": user,
        "status": status,
        "custom_status": custom_status,
        "activity": activity,
    }
    return {"op": "DISPATCH", "t": "PRESENCE_UPDATE", "d": data}


def appeared(user, status="online"):
    """The event of a new user, for others."""
    member = {
        "user_id": user,
        "username": user,
        "status": status,
        "custom_status": None,
        "activity": None,
    }
    data = {"server_id": "everyone", "member": member}
    return {"op": "DISPATCH", "t": "SERVER_MEMBER_ADD", "d": data}


def self_view(user, status, custom_status=None, activity=None, intent=None):
    return {
        "id": user,
        "username": user,
        "status": status,
        "intent": intent or status,
        "until": None,
        "appear_offline": False,
        "custom_status": custom_status,
        "custom_status_until": None,
        "activity": activity,
    }


def own(user, *arguments, **fields):
    """The event of a change, for the user's own connections."""
    data = {"user_id": user} | self_view(user, *arguments, **fields)
    return {"op": "DISPATCH", "t": "PRESENCE_UPDATE", "d": data}


def members(client):
    """READY's members as (id, status, custom status)."""
    (server,) = client.frames[0]["d"]["servers"]
    return [(each["user_id"], each["status"], each["custom_status"]) for each in server["members"]]


def settle(*clients, on):
    """Wait until *on* is the last thing that each client was told."""
    for client in clients:
        client.wait_for(lambda frames, client=client: client.told[-1:] == [on])


def assert_versions_grow(*clients):
    for client in clients:
        for user in ("alice", "bob", "carol"):
            versions = [version for version, _ in client.told_of(user)]
            assert versions == sorted(set(versions))


ALICES_STORY = [
    changed("alice", "away"),
    changed("alice", "away", "Set by a bot"),
    changed("alice", "offline", "Set by a bot"),
    changed("alice", "online", "Unseen"),
]
ALICES_OWN = [
    own("alice", "away", "Set by a bot"),
    own("alice", "offline", "Set by a bot"),
    own("alice", "offline", "Unseen", "Unseen"),
    own("alice", "online", "Unseen"),
]
BOBS_STORY = [
    changed("bob", "dnd", "In a meeting", "Slides"),
    changed("bob", "online", "In a meeting", "Slides"),
    changed("bob", "online"),
]
BOBS_OWN = [
    own("bob", "dnd", "In a meeting", "Slides"),
    own("bob", "online", "In a meeting", "Slides"),
    own("bob", "online"),
]


def change_statuses_and_texts(server, carol, tab, phone, desk, lap):
    """Texts are set, kept and cleared."""
    phone.set("away")
    settle(carol, desk, lap, on=changed("alice", "away"))
    desk.set("dnd", custom_status="In a meeting", activity="Slides")
    settle(carol, tab, phone, on=changed("bob", "dnd", "In a meeting", "Slides"))
    lap.set("online")
    settle(carol, tab, phone, on=changed("bob", "online", "In a meeting", "Slides"))
    lap.set("online", custom_status=None, activity=None)
    settle(carol, tab, phone, on=changed("bob", "online"))
    status, headers, body = server.request(
        "PATCH", "/users/@me", user="alice", body={"custom_status": "Set by a bot"}
    )
    assert (status, headers["presence-persisted"]) == (200, None)
    assert body == self_view("alice", "away", "Set by a bot") | {"lease_until": None}
    settle(carol, desk, lap, on=changed("alice", "away", "Set by a bot"))


def be_invisible(carol, tab, phone, desk, lap):
    """Changes made meanwhile are shown with the next visible status."""
    tab.set("offline")
    settle(carol, desk, lap, on=changed("alice", "offline", "Set by a bot"))
    phone.set("offline", custom_status="Unseen", activity="Unseen")
    settle(tab, phone, on=own("alice", "offline", "Unseen", "Unseen"))
    tab.set("online")
    settle(carol, desk, lap, on=changed("alice", "online", "Unseen"))


def reload(server, carol, tab):
    """That is no news, whether other tabs are open or not."""
    tab.close(1001)
    carol.close(1001)
    carol_again, tab_again = server.client("carol"), server.client("alice")
    assert members(carol_again) == [
        ("alice", "online", "Unseen"),
        ("bob", "online", None),
        ("carol", "online", None),
    ]
    # Time itself is what is tested: a grace that was not taken back would end in it.
    time.sleep(GRACE_AFTER + 0.5)
    return carol_again, tab_again


def say_goodbye(carol, tab, phone, desk, lap):
    """One of two connections ends: no news. The last one says goodbye: offline at once."""
    tab.close(1000)
    closed_at = time.monotonic()
    phone.close(1000)
    settle(carol, desk, lap, on=changed("alice", "offline", "Unseen"))
    at_once = carol.came_at[-1] - closed_at
    print(f"\nclean goodbye seen after {at_once * 1000:.1f} ms")
    assert at_once < 0.5


def be_lost(carol, desk, lap):
    """Connections are reset: offline after the grace, counted from the last one's end."""
    desk.reset()
    reset_at = time.monotonic()
    lap.reset()
    settle(carol, on=changed("bob", "offline"))
    after_reset = carol.came_at[-1] - reset_at
    print(f"reset seen after {after_reset:.3f} s, grace {GRACE_AFTER} s")
    assert GRACE_AFTER <= after_reset < GRACE_AFTER + 0.5


def test_every_connection_of_three_users_gets_exactly_its_events(serving):
    with serving(grace_after=GRACE_AFTER, max_presence_changes=0) as server:
        carol = server.client("carol")
        assert members(carol) == [("carol", "online", None)]
        tab = server.client("alice")
        phone = server.client("alice", device="phone")  # a second one is no news
        assert members(phone) == [("alice", "online", None), ("carol", "online", None)]
        desk = server.client("bob", device="desk")
        lap = server.client("bob", device="lap")
        everybody = [carol, tab, phone, desk, lap]

        change_statuses_and_texts(server, *everybody)
        be_invisible(*everybody)
        carol_again, tab_again = reload(server, carol, tab)
        say_goodbye(carol_again, tab_again, phone, desk, lap)
        be_lost(carol_again, desk, lap)

        assert carol.told == [
            appeared("alice"),
            appeared("bob"),
            ALICES_STORY[0],
            *BOBS_STORY,
            *ALICES_STORY[1:],
        ]
        assert carol_again.told == [
            changed("alice", "offline", "Unseen"),
            changed("bob", "offline"),
        ]
        for client in (tab, phone):
            before_bob = [appeared("bob"), own("alice", "away"), *BOBS_STORY]
            assert client.told == [*before_bob, *ALICES_OWN]
        for client in (desk, lap):
            assert client.told == [
                ALICES_STORY[0],
                *BOBS_OWN,
                *ALICES_STORY[1:],
                changed("alice", "offline", "Unseen"),
            ]
        assert tab_again.told == []
        assert_versions_grow(*everybody, carol_again)
        print(
            f"{sum(len(client.told) for client in everybody)} frames to 5 connections as expected"
        )
        assert server.stop() == 0
        assert "Traceback" not in server.log
