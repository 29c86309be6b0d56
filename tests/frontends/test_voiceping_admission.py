"""Admission of VoicePing WebSockets: tokens, paths and devices."""

import pytest

OFFERED = "sec-websocket-protocol"


def ways_in(token):
    """Everything that lets a token in: path, then headers."""
    return {
        "token": ("/voiceping", {"token": token}),
        "voicepingtoken": ("/voiceping", {"voicepingtoken": token}),
        "deeper path": ("/app/v3/voiceping", {"token": token}),
        "any path": ("/", {"token": token}),
        "subprotocols": ("/voiceping", {OFFERED: token}),
        "text before": ("/voiceping", {OFFERED: f"voiceping.text, {token}"}),
        "bearer": ("/voiceping", {"authorization": f"Bearer {token}"}),
    }


WAYS = list(ways_in("x"))


async def connect(server, path, headers):
    """Open a socket that sends these headers."""
    extra = [(name, value) for name, value in headers.items() if name != OFFERED]
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


async def test_a_bad_token_lets_nobody_in(start_server):
    server = await start_server(is_development=False)
    answer = await server.refusal("/voiceping", ("token", "abc"))
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


async def test_development_users_are_let_in_by_name(server):
    await server.open("/voiceping?user=7")
    assert await welcomed(server, "7") == 1
    assert (await server.refusal("/voiceping?user=07")).status == 401


async def test_without_development_mode_a_name_is_no_token(start_server):
    server = await start_server(is_development=False)
    assert (await server.refusal("/voiceping?user=7")).status == 401


# -- addresses -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/voiceping/", "/voiceping2", "/socket"])
async def test_other_paths_without_a_token_header_are_not_found(server, path):
    headers = (OFFERED, server.token("7"))
    assert (await server.refusal(f"{path}?user=7", headers)).status == 404


async def test_at_ws_a_header_makes_no_voiceping_client(server):
    client = await server.open("/ws?user=7", extra_headers=[("token", "abc")])
    assert (await client.receive())["t"] == "READY"
    assert server.counted("presence_connections", dialect="together") == 1


async def test_voiceping_without_an_upgrade_asks_for_one(server):
    answer = await server.request("GET", "/voiceping", user="7")
    assert (answer.status, answer.header("upgrade")) == (426, "websocket")


# -- subprotocols ----------------------------------------------------------------------------


async def test_a_page_that_sends_its_token_so_is_answered_with_it(server):
    token = server.token("7")
    client = await server.open("/voiceping", subprotocols=[token, "phone"])
    assert client.subprotocol == token
    await server.quiet()
    assert devices_of(server, "7") == ["phone"]


# -- devices ---------------------------------------------------------------------------------


async def test_a_pipe_is_the_device_that_its_token_names(start_server):
    server = await start_server(pipe_port=0)
    for _ in range(2):
        pipe = await server.open_pipe()
        await pipe.send_all(f"token:{server.token('7', device='phone')}\n".encode())
    await server.until(lambda: devices_of(server, "7") == ["phone", "phone"])


async def test_an_invalid_device_is_refused_with_its_reason(server):
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
