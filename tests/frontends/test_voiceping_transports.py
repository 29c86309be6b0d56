"""Every case of a VoicePing client over the pipe, in texts and in MessagePack."""

import pytest
from radio import open_radio

OFFLINE, ONLINE, BUSY = 0, 1, 2


@pytest.fixture(params=["pipe", "text", "array"])
def transport(request):
    return request.param


@pytest.fixture
async def server(start_server):
    return await start_server(pipe_port=0, max_requests_per_second=0, grace_after=0.0)


@pytest.fixture
def radio(server, transport):
    """Opens radios of the transport under test."""

    async def open_one(user):
        return await open_radio(server, transport, user)

    return open_one


@pytest.fixture
def pair(radio):
    """Opens radios of users 7 and 8, who have heard of each other."""

    async def open_two():
        both = await radio("7"), await radio("8")
        for each in both:
            await each.rest()
        return both

    return open_two


# -- coming and going ------------------------------------------------------------------------


async def test_a_login_is_online_to_all_others(server, radio):
    seven = await radio("7")
    await radio("70000")
    assert await seven.statuses() == [("70000", ONLINE)]
    assert await server.status_of("7") == "online"


async def test_a_newcomer_gets_all_present_users_but_itself(radio):
    seven, ada, _ = await radio("7"), await radio("ada"), await radio("8")
    await seven.say(BUSY)
    await ada.say(OFFLINE)
    newcomer = await radio("9")
    assert sorted(await newcomer.statuses()) == [("7", BUSY), ("8", ONLINE)]


async def test_a_vanished_client_is_offline_after_the_grace(radio):
    seven, eight = await radio("7"), await radio("8")
    await eight.vanish()
    assert await seven.statuses() == [("8", ONLINE), ("8", OFFLINE)]


async def test_a_lost_radio_that_returns_within_the_grace_shows_nothing(start_server, transport):
    server = await start_server(pipe_port=0, max_requests_per_second=0, grace_after=30.0)
    seven = await open_radio(server, transport, "7")
    eight = await open_radio(server, transport, "8")
    assert await seven.statuses() == [("8", ONLINE)]
    await eight.vanish()
    await open_radio(server, transport, "8")
    assert await seven.statuses() == []


async def test_two_radios_of_a_user_are_one_to_others(radio):
    seven = await radio("7")
    first, _ = await radio("8"), await radio("8")
    await first.vanish()
    assert await seven.statuses() == [("8", ONLINE)]


# -- statuses --------------------------------------------------------------------------------


async def test_statuses_go_to_others_and_not_back(pair):
    seven, eight = await pair()
    for code in (BUSY, ONLINE, OFFLINE):
        await eight.say(code)
        assert await eight.statuses() == []
        assert (await seven.statuses())[-1] == ("8", code)


async def test_the_users_other_radio_gets_what_the_user_is_now(radio):
    first, second = await radio("8"), await radio("8")
    for code in (BUSY, OFFLINE, ONLINE):
        await first.say(code)
        assert await first.statuses() == []
        assert await second.statuses() == [("8", code)]


async def test_a_status_said_again_is_forwarded(pair):
    seven, eight = await pair()
    for _ in range(3):
        await eight.say(ONLINE)
        assert await seven.statuses() == [("8", ONLINE)]


async def test_a_hidden_user_is_as_good_as_gone(server, radio, pair):
    seven, eight = await pair()
    await eight.say(OFFLINE)
    await seven.rest()
    await eight.say(OFFLINE)
    await eight.ping()
    assert await seven.statuses() == []
    assert await (await radio("9")).statuses() == [("7", ONLINE)]
    assert await server.status_of("8") == "offline"


async def test_a_hidden_user_gets_events_of_others(pair):
    seven, eight = await pair()
    await eight.say(OFFLINE)
    await seven.say(BUSY)
    assert await eight.statuses() == [("7", BUSY)]


async def test_explicit_offline_outlasts_pings_and_ends_with_the_next_status(pair):
    seven, eight = await pair()
    await eight.say(OFFLINE)
    await seven.rest()
    for _ in range(3):
        await eight.ping()
    assert await seven.statuses() == []
    await eight.say(BUSY)
    assert await seven.statuses() == [("8", BUSY)]


# -- the other dialects ----------------------------------------------------------------------


async def test_busy_is_dnd_and_dnd_is_busy(server, radio):
    browser = await server.connect("ada")
    seven = await radio("7")
    await seven.say(BUSY)
    assert await browser.presence_of("7") == ["dnd"]
    await browser.update(status="dnd")
    assert (await seven.statuses())[-1] == ("ada", BUSY)


async def test_online_to_away_and_back_is_no_frame(server, radio):
    browser = await server.connect("ada")
    seven = await radio("7")
    await seven.rest()
    for status in ("away", "online", "away"):
        await browser.update(status=status)
        assert await seven.statuses() == []
    await browser.update(status="dnd")
    assert await seven.statuses() == [("ada", BUSY)]


async def test_texts_are_no_frames(server, radio):
    browser = await server.connect("ada")
    seven = await radio("7")
    await seven.rest()
    await browser.update(status="online", custom_status="lunch")
    await browser.update(status="online", activity="chess")
    assert (await browser.self_views())[-1]["activity"] == "chess"
    assert await seven.statuses() == []


async def test_an_invisible_browser_is_a_departure(server, radio):
    browser, gone = await server.connect("ada"), await server.connect("ben")
    seven = await radio("7")
    await seven.rest()
    await browser.update(status="offline")
    hidden = await seven.rest()
    await gone.leave()
    left = await seven.rest()
    assert hidden == [("0", "5", "ada", "0", "0")]
    assert left == [("0", "5", "ben", "0", "0")]


async def test_a_repeat_is_no_event_of_browsers(server, radio):
    browser = await server.connect("ada")
    seven = await radio("7")
    await browser.rest()
    for _ in range(3):
        await seven.say(ONLINE)
    assert await browser.presence_of("7") == []


# -- who sees whom ---------------------------------------------------------------------------


async def test_only_members_of_a_common_server_get_events_and_are_listed(start_server, transport):
    server = await start_server(pipe_port=0, everyone_server=False, max_requests_per_second=0)
    for group, members in {"red": ("7", "8"), "blue": ("9",)}.items():
        for user in members:
            path = f"/servers/{group}/members/{user}"
            await server.administer("PUT", f"/servers/{group}", {})
            await server.administer("PUT", path)
    seven, eight, nine = [await open_radio(server, transport, user) for user in ("7", "8", "9")]
    await eight.say(BUSY)
    assert await seven.statuses() == [("8", ONLINE), ("8", BUSY)]
    assert await nine.statuses() == []


async def test_losing_sight_sends_offline_and_gaining_it_a_status(start_server, transport):
    server = await start_server(pipe_port=0, everyone_server=False, max_requests_per_second=0)

    async def put(method, path):
        body = {} if path.count("/") == 2 else None
        answer = await server.request(method, path, token=server.admin(), body=body)
        assert answer.status in (200, 201, 204)

    for group in ("red", "blue"):
        await put("PUT", f"/servers/{group}")
        for user in ("7", "8"):
            await put("PUT", f"/servers/{group}/members/{user}")
    seven, eight = [await open_radio(server, transport, user) for user in ("7", "8")]
    await eight.say(BUSY)
    await seven.rest()
    await put("DELETE", "/servers/red/members/8")
    assert await seven.statuses() == []
    await put("DELETE", "/servers/blue/members/8")
    assert await seven.statuses() == [("8", OFFLINE)]
    await put("PUT", "/servers/red/members/8")
    assert await seven.statuses() == [("8", BUSY)]
    await put("DELETE", "/servers/red/members/7")
    assert await seven.statuses() == [("8", OFFLINE)]


# -- odd and hostile input -------------------------------------------------------------------


@pytest.mark.parametrize("user", ["8", "0", "08", "nobody"])
async def test_a_frame_in_the_name_of_another_has_no_effect(server, pair, user):
    seven, eight = await pair()
    for code in (OFFLINE, BUSY):
        await seven.send(0, 5, user, 0, code)
    assert await eight.statuses() == []
    assert await seven.statuses() == []
    assert [await server.status_of(each) for each in ("7", "8")] == ["online", "online"]
    assert server.counted("presence_frames_dropped", reason="foreign_id") == 2


@pytest.mark.parametrize("payload", [3, -1, "\uff12", "busy", "", "02", "2 "])
async def test_a_status_that_is_none_has_no_effect(server, pair, payload):
    seven, eight = await pair()
    await seven.send(0, 5, 7, 0, payload)
    assert await eight.statuses() == []
    assert await server.status_of("7") == "online"


async def test_frames_of_the_voice_router_are_ignored(server, pair):
    seven, eight = await pair()
    for kind in (0, 1, 2, 3, 4, 17, 18, 24, 27):
        await seven.send(1, kind, 7, 8, "whatever")
    assert await eight.statuses() == []
    assert server.counted("presence_frames_dropped", reason="not_presence") == 9


async def test_a_message_id_before_the_payload_is_read_over(pair):
    seven, eight = await pair()
    await seven.send(0, 5, 7, 0, "id-1", BUSY)
    assert await eight.statuses() == [("7", BUSY)]


async def test_twenty_bad_frames_are_borne_and_the_next_ends_the_connection(
    start_server, transport
):
    server = await start_server(pipe_port=0, max_frames_per_second=0)
    seven = await open_radio(server, transport, "7")
    for _ in range(20):
        await seven.send(0, 5, 8, 0, BUSY)
    assert await seven.statuses() == []
    await seven.send(0, 5, 8, 0, BUSY)
    assert await seven.ended() in (1008, None)


async def test_a_flood_of_foreign_pings_makes_no_actor_and_harms_nobody(server, pair):
    seven, eight = await pair()
    actors = len(server.node.users)
    await seven.flood(f"voiceping:9{number}" for number in range(1, 1_000_001))
    assert len(server.node.users) <= actors
    await eight.say(BUSY)
    await server.wait_status("8", "dnd")
    assert server.counted("presence_frames_dropped", reason="foreign_id") <= 21
