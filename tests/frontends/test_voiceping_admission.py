"""Who is let in as a VoicePing WebSocket, by what, and as which device."""

import msgpack
import pytest
import trio
from trio_websocket import ConnectionRejected

OFFERED = "sec-websocket-protocol"


def ways_in(token, device=None):
    """Everything that lets a token in, with a device where one is given: path, then headers."""
    by_header = {} if device is None else {"device_id": device}
    by_other_header = {} if device is None else {"deviceid": device}
    pair = token if device is None else f"{token},{device}"
    return {
        "token": ("/voiceping", {"token": token, **by_header}),
        "voicepingtoken": ("/voiceping", {"voicepingtoken": token, **by_other_header}),
        "deeper path": ("/app/v3/voiceping", {"token": token, **by_header}),
        "any path": ("/", {"token": token, **by_header}),
        "any path, other header": ("/socket", {"voicepingtoken": token, **by_other_header}),
        "subprotocols": ("/voiceping", {OFFERED: pair}),
        "text before": ("/voiceping", {OFFERED: f"voiceping.text, {pair}"}),
        "text behind": ("/voiceping", {OFFERED: f"{pair}, voiceping.text"}),
        "bearer": ("/voiceping", {"authorization": f"Bearer {token}", **by_header}),
    }


WAYS = list(ways_in("x"))


async def connect(server, path, headers):
    """Open a socket that sends these headers."""
    extra = [(name.encode(), value.encode()) for name, value in headers.items() if name != OFFERED]
    offered = headers.get(OFFERED, "").replace(" ", "").split(",")
    return await server.open(path, extra_headers=extra, subprotocols=list(filter(None, offered)))


def devices_of(server, user):
    return [listener.device for listener in server.node.connections.subscribers_of(user)]


async def welcomed(server, user):
    """Wait until the user's connections have their snapshots."""
    await server.quiet()
    return len(server.node.connections.welcomed(user))


# -- tokens ----------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
async def test_a_token_lets_its_user_in(start_server, way):
    server = await start_server(is_development=False)
    await connect(server, *ways_in(server.token("7"))[way])
    assert await welcomed(server, "7") == 1
    assert server.counted("presence_connections", dialect="voiceping") == 1


@pytest.mark.parametrize("way", WAYS)
async def test_a_bad_token_lets_nobody_in(start_server, way):
    server = await start_server(is_development=False)
    path, headers = ways_in("abc")[way]
    answer = await server.refusal(path, *headers.items())
    assert (answer.status, answer.error) == (401, "the token is refused: malformed")
    assert answer.header("www-authenticate") == "Bearer"


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param((), id="none"),
        pytest.param((("token", ""),), id="an empty header"),
        pytest.param(((OFFERED, "voiceping.text"),), id="a wish for text only"),
    ],
)
async def test_without_a_token_nobody_is_let_in(start_server, headers):
    server = await start_server(is_development=False)
    answer = await server.refusal("/voiceping", *headers)
    assert (answer.status, answer.error) == (401, "a token is needed")
    assert server.counted("presence_tokens_refused", reason="missing") == 1


async def test_the_header_token_goes_before_all_others(start_server):
    server = await start_server(is_development=False)
    tokens = [server.token(user) for user in ("7", "8", "9")]
    headers = {"token": tokens[0], "voicepingtoken": tokens[1], OFFERED: tokens[2]}
    await connect(server, "/voiceping", headers)
    del headers["token"]
    await connect(server, "/voiceping", headers)
    assert [await welcomed(server, user) for user in ("7", "8", "9")] == [1, 1, 0]


async def test_development_users_are_let_in_by_name(server):
    await server.open("/voiceping?user=7")
    assert await welcomed(server, "7") == 1
    assert (await server.refusal("/voiceping?user=07")).status == 401


async def test_without_development_mode_a_name_is_no_token(start_server):
    server = await start_server(is_development=False)
    assert (await server.refusal("/voiceping?user=7")).status == 401


# -- addresses -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/voiceping/", "/voiceping2", "/socket"])
async def test_elsewhere_nothing_is_found_without_a_header(server, path):
    headers = (OFFERED, server.token("7"))
    assert (await server.refusal(f"{path}?user=7", headers)).status == 404


async def test_at_ws_a_header_makes_no_voiceping_client(server):
    client = await server.open("/ws?user=7", extra_headers=[(b"token", b"abc")])
    assert (await client.receive())["t"] == "READY"
    assert server.counted("presence_connections", dialect="together") == 1


async def test_voiceping_without_an_upgrade_asks_for_one(server):
    answer = await server.request("GET", "/voiceping", user="7")
    assert (answer.status, answer.header("upgrade")) == (426, "websocket")


async def test_pages_of_other_origins_are_refused(server):
    answer = await server.refusal("/voiceping?user=7", ("origin", "https://evil.example"))
    assert (answer.status, answer.error) == (403, "origin not allowed")


async def test_while_draining_nobody_is_let_in(server):
    server.node.is_draining = True
    answer = await server.refusal("/voiceping?user=7")
    assert (answer.status, answer.header("retry-after")) == (503, "1")
    server.node.is_draining = False


# -- subprotocols ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offered", "preferences"),
    [
        ([], None),
        (["voiceping.text"], "voiceping.text"),
        (["a", "b"], "a"),
        (["a", "voiceping.text"], "voiceping.text"),
        (["voiceping.text", "a"], "voiceping.text"),
    ],
)
async def test_one_of_the_subprotocols_is_answered(server, offered, preferences):
    token = [(b"token", server.token("7").encode())]
    client = await server.open("/voiceping", subprotocols=offered, extra_headers=token)
    assert client.connection.subprotocol == preferences


async def test_a_page_that_sends_its_token_so_is_answered_with_it(server):
    token = server.token("7")
    client = await server.open("/voiceping", subprotocols=[token, "phone"])
    assert client.connection.subprotocol == token
    await server.quiet()
    assert devices_of(server, "7") == ["phone"]


# -- devices ---------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
async def test_the_device_is_named_where_the_token_is(server, way):
    await connect(server, *ways_in(server.token("7"), "phone")[way])
    await server.quiet()
    assert devices_of(server, "7") == ["phone"]


async def test_a_header_names_the_device_before_the_subprotocols_do(server):
    headers = {OFFERED: f"{server.token('7')},tablet"}
    await connect(server, "/voiceping", {**headers, "deviceid": "watch"})
    await connect(server, "/voiceping", {**headers, "deviceid": "watch", "device_id": "phone"})
    await server.quiet()
    assert devices_of(server, "7") == ["watch", "phone"]


async def test_without_a_name_each_connection_is_a_device_of_its_own(server):
    for _ in range(2):
        await server.open("/voiceping?user=7")
    await server.quiet()
    assert len(set(devices_of(server, "7"))) == 2


async def test_a_token_is_good_for_the_device_that_it_names_only(server):
    headers = {"token": server.token("7", device="phone"), "device_id": "tablet"}
    await connect(server, "/voiceping", headers)
    await server.quiet()
    assert devices_of(server, "7") == ["phone"]


async def test_a_pipe_is_the_device_that_its_token_names(start_server):
    server = await start_server(pipe_port=0)
    for _ in range(2):
        pipe = await server.open_pipe()
        await pipe.send_all(f"token:{server.token('7', device='phone')}\n".encode())
    await server.until(lambda: devices_of(server, "7") == ["phone", "phone"])


async def test_what_is_no_device_is_refused_and_named(server):
    answer = await server.refusal("/voiceping?user=7", ("device_id", "a b"))
    assert answer.status == 400
    assert answer.error.startswith("device must be")


# -- limits ----------------------------------------------------------------------------------


async def test_a_user_has_one_limit_over_both_gateways(start_server):
    server = await start_server(max_connections_per_user=2, max_requests_per_second=0)
    browser = await server.connect("7")
    await server.open("/voiceping?user=7")
    await server.quiet()
    for resource in ("/voiceping?user=7", "/ws?user=7"):
        answer = await server.refusal(resource)
        assert (answer.status, answer.header("retry-after")) == (429, "10")
        assert answer.error == "too many connections of this user"
    assert server.counted("presence_connections_refused", reason="user_limit") == 2
    await browser.leave()
    await server.open("/voiceping?user=7")


async def test_many_who_come_at_the_same_moment_are_counted_too(start_server):
    server = await start_server(max_connections_per_user=3)
    codes = []

    async def come():
        try:
            client = await server.open("/voiceping?user=7")
            with trio.move_on_after(1):
                codes.append(await client.close_code())
        except* ConnectionRejected:
            codes.append(429)

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(come)
    assert len(codes) == 7
    assert set(codes) == {429}
    assert await welcomed(server, "7") == 3


async def test_a_user_in_a_channel_of_its_token_sees_who_else_is_there(start_server):
    server = await start_server(is_development=False, everyone_server=False)
    seen = {}
    for user, channels in {"7": ["red"], "8": ["blue"], "9": ["red", "blue"]}.items():
        token = server.token(user, servers=channels)
        client = await connect(server, "/voiceping", {"token": token})
        await server.quiet()
        seen[user] = client
    messages = []
    while len(messages) < 2:
        messages.append(msgpack.unpackb(await seen["9"].connection.get_message()))
    assert sorted(messages) == [[0, 5, 7, 0, 1], [0, 5, 8, 0, 1]]
