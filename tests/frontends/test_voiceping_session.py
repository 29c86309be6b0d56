"""A VoicePing WebSocket after its login: forms, snapshot, pings, limits, one login at a time."""

import msgpack
import pytest
import trio
from radio import ArrayRadio, Radio, TextRadio, open_radio

OFFLINE, ONLINE, BUSY = 0, 1, 2


class AnyRadio(ArrayRadio):
    """Sends in the form that the test sets, and notes the form of each frame it gets."""

    def __init__(self, *args):
        super().__init__(*args)
        self.is_text = False
        self.forms = []

    async def send(self, *fields):
        await (TextRadio.send if self.is_text else ArrayRadio.send)(self, *fields)

    async def receive(self):
        message = await self.client.message()
        self.forms.append(type(message))
        fields = message[1:-1].split("|") if isinstance(message, str) else msgpack.unpackb(message)
        return tuple(map(str, fields))


@pytest.fixture
async def server(start_server):
    return await start_server(max_requests_per_second=0)


async def open_any(server, user, **options):
    client = await server.open(f"/voiceping?user={user}", **options)
    await server.quiet()
    return AnyRadio(user, server.quiet, client)


def pulse_of(server, user):
    """The last ping of the user's only connection, None if it never pinged."""
    [entry] = server.node.connections.of(user)
    return entry.ping_state.last_ping


async def make_group(server, group, *users):
    """An explicit server with these members."""
    await server.administer("PUT", f"/servers/{group}", {})
    await server.administer("PUT", f"/servers/{group}/members", {"members": list(users)})


# -- forms -----------------------------------------------------------------------------------


async def test_before_its_first_message_a_client_gets_messagepack(server):
    one = await open_radio(server, "text", "1")
    await one.say(BUSY)
    large = await open_radio(server, "text", "70000")
    await server.quiet()
    newcomer = await server.open("/voiceping?user=8")
    snapshot = {await newcomer.message() for _ in range(2)}
    assert snapshot == {
        bytes.fromhex("95 00 05 01 00 02"),
        bytes.fromhex("95 00 05 ce 00 01 11 70 00 01"),
    }
    await large.say(OFFLINE)
    assert await newcomer.message() == bytes.fromhex("9500 05 ce00011170 00 00")


async def test_before_its_first_message_a_client_that_asked_for_text_gets_text(server):
    await open_radio(server, "array", "ada")
    newcomer = await server.open("/voiceping?user=8", subprotocols=["voiceping.text"])
    assert await newcomer.message() == "|0|5|ada|0|1|"


@pytest.mark.parametrize("offered", [None, ["voiceping.text"]])
async def test_a_client_is_answered_in_the_form_of_its_last_message(server, offered):
    seven, eight = await open_any(server, "7", subprotocols=offered), await open_any(server, "8")
    await seven.rest()
    for is_text in (True, False, True, True, False):
        seven.is_text, seven.forms = is_text, []
        await seven.say(ONLINE)
        await eight.say(BUSY)
        assert await Radio.rest(seven) == [("0", "5", "8", "0", "2")]
        assert seven.forms == [str if is_text else bytes] * 2


async def test_a_frame_for_the_voice_router_sets_the_form_too(server):
    """The client's first words are: it starts a call as soon as it opens."""
    seven = await open_any(server, "7", subprotocols=["voiceping.text"])
    await ArrayRadio.send(seven, 0, 4, 7, 0, "hello")
    await open_any(server, "8")
    await seven.receive()
    assert seven.forms == [bytes]


async def test_a_control_frame_is_no_message(server):
    seven = await open_any(server, "7", subprotocols=["voiceping.text"])
    await control_ping(seven)
    await open_any(server, "8")
    await seven.receive()
    assert seven.forms == [str]


async def test_the_form_changes_for_one_connection_only(server):
    first, second = [await open_any(server, "7") for _ in range(2)]
    first.is_text = True
    await first.rest()
    await open_any(server, "8")
    for radio, form in ((first, str), (second, bytes)):
        del radio.forms[:]
        await radio.receive()
        assert radio.forms == [form]


async def test_a_form_changed_before_any_membership_loses_no_event(start_server):
    server = await start_server(max_requests_per_second=0, everyone_server=False)
    seven, eight = await open_any(server, "7"), await open_any(server, "8")
    seven.is_text = True
    assert await seven.rest() == []
    await make_group(server, "red", "7", "8")
    assert await seven.statuses() == [("8", ONLINE)]
    await eight.say(BUSY)
    assert await seven.statuses() == [("8", BUSY)]


# -- the snapshot and what comes then --------------------------------------------------------


async def test_the_snapshot_has_each_present_user_once(start_server):
    server = await start_server(max_requests_per_second=0, everyone_server=False, large_threshold=1)
    for group in ("red", "blue"):
        await make_group(server, group, "7", "8", "9", "hidden", "gone", "browser")
    await make_group(server, "green", "stranger")
    for user in ("8", "9", "hidden", "stranger"):
        radio = await open_any(server, user)
        if user in ("9", "hidden"):
            await radio.say(BUSY if user == "9" else OFFLINE)
    await server.connect("browser", status="away")
    other = await open_any(server, "7")
    await other.say(BUSY)
    seven = await open_any(server, "7")
    assert sorted(await seven.statuses()) == [("8", ONLINE), ("9", BUSY), ("browser", ONLINE)]


async def test_nothing_is_lost_between_the_snapshot_and_what_comes_then(start_server):
    server = await start_server(
        max_requests_per_second=0,
        max_presence_changes=0,
        max_frames_per_second=0,
        max_connections_per_user=0,
    )
    eight = await open_any(server, "8")
    newcomers = []

    async def come():
        for _ in range(10):
            client = await server.open("/voiceping?user=7")
            newcomers.append(ArrayRadio("7", server.quiet, client))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(come)
        while len(newcomers) < 10:
            for code in (BUSY, ONLINE):
                await eight.say(code)
            await trio.lowlevel.checkpoint()
    await eight.say(BUSY)
    for newcomer in newcomers:
        codes = [code for _, code in await newcomer.statuses()]
        assert codes[-1] == BUSY


async def test_a_joined_server_sends_its_present_members(start_server):
    server = await start_server(max_requests_per_second=0, everyone_server=False, large_threshold=1)
    radios = {user: await open_any(server, user) for user in ("7", "8", "9", "10")}
    await radios["9"].say(BUSY)
    await radios["10"].say(OFFLINE)
    await make_group(server, "red", "8", "9", "10")
    await make_group(server, "blue", "7")
    assert await radios["7"].statuses() == []
    await server.administer("PUT", "/servers/red/members/7")
    assert sorted(await radios["7"].statuses()) == [("8", ONLINE), ("9", BUSY)]


async def test_a_user_still_seen_elsewhere_is_not_sent_offline(start_server):
    server = await start_server(max_requests_per_second=0, everyone_server=False)
    await make_group(server, "red", "7", "8", "9", "10")
    await make_group(server, "blue", "7", "8")
    radios = {user: await open_any(server, user) for user in ("7", "8", "9", "10")}
    await radios["10"].say(OFFLINE)
    for radio in radios.values():
        await radio.rest()
    await server.administer("DELETE", "/servers/red/members/7")
    told = {user: await radio.statuses() for user, radio in radios.items()}
    gone = [("7", OFFLINE)]
    assert told == {"7": [("9", OFFLINE)], "8": [], "9": gone, "10": gone}


async def delete_group(server):
    await server.administer("DELETE", "/servers/red")


async def replace_members(server):
    await make_group(server, "red", "7")


@pytest.mark.parametrize("part", [delete_group, replace_members])
async def test_members_removed_together_lose_sight_of_each_other(start_server, part):
    server = await start_server(max_requests_per_second=0, everyone_server=False)
    await make_group(server, "red", "7", "8", "9")
    radios = {user: await open_any(server, user) for user in ("7", "8", "9")}
    for radio in radios.values():
        await radio.rest()
    await part(server)
    told = {user: sorted(await radio.statuses()) for user, radio in radios.items()}
    assert told == {
        "7": [("8", OFFLINE), ("9", OFFLINE)],
        "8": [("7", OFFLINE), ("9", OFFLINE)],
        "9": [("7", OFFLINE), ("8", OFFLINE)],
    }


# -- one's own status ------------------------------------------------------------------------


async def test_a_change_in_another_dialect_is_sent_as_the_own_status(server):
    seven, browser = await open_any(server, "7"), await server.connect("7")
    for status, told in [
        ("dnd", [("7", BUSY)]),
        ("away", [("7", ONLINE)]),
        ("online", []),
        ("offline", [("7", OFFLINE)]),
        ("offline", []),
        ("online", [("7", ONLINE)]),
    ]:
        await browser.update(status=status)
        assert await seven.statuses() == told


async def test_the_own_status_is_sent_where_it_differs_from_the_request(server):
    seven, browser = await open_any(server, "7"), await server.connect("7")
    await seven.say(BUSY)
    assert await seven.statuses() == []
    await browser.update(status="online")
    assert await seven.statuses() == [("7", ONLINE)]
    await seven.say(ONLINE)
    await browser.update(status="online", custom_status="lunch")
    assert await seven.statuses() == []


# -- pings -----------------------------------------------------------------------------------


async def message_ping(radio):
    await radio.client.send(f"voiceping:{radio.user}")


async def control_ping(radio):
    await radio.client.ping(f"voiceping:{radio.user}".encode())


async def control_pong(radio):
    await radio.client.pong(f"voiceping:{radio.user}".encode())


@pytest.mark.parametrize("ping", [message_ping, control_ping])
async def test_a_ping_makes_a_device_that_the_sweep_looks_at_and_renews_it(server, ping):
    seven = await open_any(server, "7")
    assert pulse_of(server, "7") is None
    await ping(seven)
    await server.quiet()
    first = pulse_of(server, "7")
    await ping(seven)
    await server.quiet()
    assert first < pulse_of(server, "7")


async def test_a_pong_renews_what_a_ping_has_begun_and_begins_nothing(server):
    seven = await open_any(server, "7")
    await control_pong(seven)
    await server.quiet()
    assert pulse_of(server, "7") is None
    await control_ping(seven)
    await server.quiet()
    first = pulse_of(server, "7")
    await control_pong(seven)
    await server.quiet()
    assert first < pulse_of(server, "7")


async def test_a_pong_behind_a_ping_does_not_take_its_place(server, monkeypatch):
    seven = await open_any(server, "7")
    told = []
    monkeypatch.setattr(
        server.node.users, "tell_nowait", lambda user, event, slot: told.append((user, event, slot))
    )
    await control_ping(seven)
    await control_pong(seven)
    await server.quiet()
    assert [(user, event.may_begin) for user, event, _ in told] == [("7", True), ("7", False)]
    assert len({slot for _, _, slot in told}) == 2


@pytest.mark.parametrize("payload", [b"", b"\x00\x01\x02\x03"])
async def test_the_keep_alive_of_a_library_is_no_ping(server, payload):
    seven = await open_any(server, "7")
    await seven.client.pong(payload)
    if payload:
        await seven.client.ping(payload)
    await server.quiet()
    assert pulse_of(server, "7") is None
    assert server.counted("presence_frames_dropped", reason="malformed") == 0


@pytest.mark.parametrize("kind", ["message", "ping", "pong"])
@pytest.mark.parametrize(
    ("named", "reason"), [("8", "foreign_id"), ("", "malformed"), ("07", "malformed")]
)
async def test_a_ping_of_another_is_counted_and_has_no_effect(server, kind, named, reason):
    seven, eight = await open_any(server, "7"), await open_any(server, "8")
    if kind == "message":
        await seven.client.send(f"voiceping:{named}")
    else:
        await getattr(seven.client, kind)(f"voiceping:{named}".encode())
    await eight.rest()
    assert [pulse_of(server, user) for user in ("7", "8")] == [None, None]
    assert server.counted("presence_frames_dropped", reason=reason) == 1


async def test_the_servers_ping_carries_the_user_so_that_a_pong_counts(start_server):
    server = await start_server(socket_ping_every=0.1)
    seven = await open_any(server, "7")
    await server.until(
        lambda: server.node.connections.of("7")[0].subscriber._ping_at
    )  # private: it was pinged
    await trio.sleep(0.35)
    assert pulse_of(server, "7") is None  # the client's library has answered, but never pinged
    await control_ping(seven)
    await server.quiet()
    first = pulse_of(server, "7")
    await server.until(lambda: pulse_of(server, "7") > first)


async def test_a_user_of_a_long_id_gets_an_empty_ping(start_server):
    server = await start_server(socket_ping_every=0.05, socket_lost_after=0.4)
    user = "x" * 116
    radio = await open_any(server, user)
    await trio.sleep(0.8)
    await radio.say(BUSY)
    assert await server.status_of(user) == "dnd"  # its empty pongs are a sign of life


async def test_a_silent_device_is_offline_once_and_its_next_ping_brings_it_back(start_server):
    server = await start_server(sweep_every=0.4, ping_expires_after=0.5, max_requests_per_second=0)
    seven, eight = await open_any(server, "7"), await open_any(server, "8")
    await eight.say(BUSY)
    await control_ping(eight)
    await seven.rest()
    with trio.fail_after(5):
        assert await seven.receive() == ("0", "5", "8", "0", "0")
    await trio.sleep(0.9)
    assert await seven.statuses() == []
    await control_ping(eight)
    assert await seven.statuses() == [("8", BUSY)]


# -- limits ----------------------------------------------------------------------------------


async def send_bad(seven, number):
    """One of many kinds of bad frames."""
    match number % 5:
        case 0:
            await seven.client.send("|0|5|8|0|2|")
        case 1:
            await seven.client.send("|0|5|7|0|3|")
        case 2:
            await seven.client.send(b"\xc1")
        case 3:
            await seven.client.ping(b"voiceping:8")
        case 4:
            await seven.client.send("hello")


async def test_bad_frames_of_all_kinds_are_counted_together(start_server):
    server = await start_server(max_frames_per_second=0, grace_after=5.0)
    seven = await open_any(server, "7")
    for number in range(20):
        await send_bad(seven, number)
    assert await seven.statuses() == []
    await send_bad(seven, 0)
    with trio.fail_after(5):
        assert await seven.client.close_code() == 1008
    counts = {
        reason: server.counted("presence_frames_dropped", reason=reason)
        for reason in ("foreign_id", "bad_status", "malformed")
    }
    assert counts == {"foreign_id": 9, "bad_status": 4, "malformed": 8}
    await server.quiet()
    assert server.counted("presence_connections_ended", ending="lost") == 1
    assert await server.status_of("7") == "online"  # as a lost connection


async def test_frames_after_the_last_bad_frame_are_ignored(start_server):
    server = await start_server(max_frames_per_second=0)
    seven = await open_any(server, "7")
    [entry] = server.node.connections.of("7")
    for _ in range(25):
        entry.subscriber.on_message("|0|5|8|0|2|")
        entry.subscriber.on_control_frame(9, b"voiceping:8")
    entry.subscriber.on_message("|0|5|7|0|2|")
    assert await seven.client.close_code() == 1008
    assert server.counted("presence_frames_dropped", reason="foreign_id") == 21
    assert await server.status_of("7") == "online"


async def test_above_the_frame_rate_tests_are_not_answered(server):
    seven = await open_any(server, "7")
    for number in range(25):
        await seven.send(1, 25, 7, 0, number)
    for number in range(20):
        assert await seven.receive() == ("1", "26", "0", "7", str(number))
    await server.quiet()
    assert server.counted("presence_frames_dropped", reason="over_rate") == 5


async def test_a_talking_client_can_still_ping(start_server):
    """Audio comes fifty times a second, which is more than the frame rate."""
    server = await start_server(max_frames_per_second=10)
    seven = await open_any(server, "7")
    for _ in range(60):
        await seven.send(0, 2, 7, 9, b"audio" * 20)
    await seven.client.send("voiceping:7")
    await server.quiet()
    assert pulse_of(server, "7") is not None
    assert server.counted("presence_frames_dropped", reason="not_presence") == 60
    assert server.counted("presence_frames_dropped", reason="over_rate") == 0


# -- goodbyes --------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["text", "array"])
@pytest.mark.parametrize(
    ("code", "status"),
    [(1000, "offline"), (None, "offline"), (1001, "online")],
)
async def test_only_a_goodbye_is_offline_before_the_grace_is_over(server, form, code, status):
    seven = await open_radio(server, form, "7")
    await server.connect("onlooker")
    await seven.client.leave(code)
    assert await server.status_of("7") == status


# -- one login at a time ---------------------------------------------------------------------


@pytest.fixture
async def single(start_server):
    return await start_server(single_login=True, max_requests_per_second=0, grace_after=5.0)


async def login(server, device, user="7", **options):
    headers = [("device_id", device)]
    return await open_any(server, user, extra_headers=headers, **options)


@pytest.mark.parametrize("offered", [None, ["voiceping.text"]])
async def test_the_last_login_ends_the_sockets_of_other_devices(single, offered):
    eight = await open_any(single, "8")
    phone = await login(single, "phone", subprotocols=offered)
    await phone.say(BUSY)
    await eight.rest()
    tablet = await login(single, "tablet")

    await phone.receive()  # the snapshot
    assert await phone.receive() == (
        "1",
        "9",
        "0",
        "7",
        "user 7 has logged in on another device",
    )
    assert await phone.client.close_code() == 4003
    await single.quiet()
    assert await eight.statuses() == []
    assert [entry.subscriber.device for entry in single.node.connections.of("7")] == ["tablet"]
    assert single.counted("presence_connections_ended", ending="clean") == 1
    assert await single.status_of("7") == "dnd"
    await tablet.client.leave()
    assert await eight.statuses() == [("7", OFFLINE)]  # no grace of the phone is left


async def test_the_same_device_and_other_users_and_other_dialects_stay(single):
    browser, eight = await single.connect("7"), await login(single, "tablet", "8")
    first, second = [await login(single, "phone") for _ in range(2)]
    assert len(single.node.connections.of("7")) == 3
    await login(single, "tablet")
    assert [await radio.client.close_code() for radio in (first, second)] == [4003, 4003]
    assert await browser.rest() is not None
    assert (await eight.statuses())[-1] == ("7", ONLINE)


async def test_a_refused_login_replaces_no_other(start_server):
    server = await start_server(single_login=True, max_devices_per_user=1)
    phone = await login(server, "phone")
    tablet = await server.refusal("/voiceping?user=7", ("device_id", "tablet"))
    assert tablet.status == 429
    assert await phone.statuses() == []


async def test_a_login_that_came_late_to_its_end_does_not_end_a_newer_one(single):
    phone = await login(single, "phone")
    [older] = single.node.connections.of("7")
    tablet = await login(single, "tablet")
    older.subscriber._replace_others()  # private: the step that came late
    assert await phone.client.close_code() == 4003
    assert await tablet.statuses() == []


async def test_simultaneous_logins_leave_the_last_one(single):
    async with trio.open_nursery() as nursery:
        for number in range(6):
            nursery.start_soon(login, single, f"device-{number}")
    await single.until(lambda: len(single.node.connections.of("7")) == 1)
    [last] = single.node.connections.of("7")
    assert last.subscriber.connection == 6
