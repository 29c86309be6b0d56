"""Checks that come before a body is read, and the largest body."""

import pytest
import trio

BROWSER = ("origin", "https://app.example")


async def head_alone(server, method, target, size, *headers):
    """Send a head that announces *size* bytes, and none of them; the first line of the answer."""
    lines = [f"{method} {target} HTTP/1.1", f"host: 127.0.0.1:{server.port}", *headers]
    head = "\r\n".join([*lines, f"content-length: {size}", "", ""]).encode()
    with trio.fail_after(5):
        async with await trio.open_tcp_stream("127.0.0.1", server.port) as stream:
            await stream.send_all(head)
            return (await stream.receive_some(65536)).decode().split("\r\n")[0]


async def test_address_and_token_are_looked_at_before_the_body(server):
    admin = f"authorization: Bearer {server.token('alice')}"
    assert "404" in await head_alone(server, "PATCH", "/nowhere", 10)
    assert "405" in await head_alone(server, "POST", "/users/@me", 10)
    assert "401" in await head_alone(server, "PATCH", "/users/@me", 10)
    assert "401" in await head_alone(server, "POST", "/users/presence", 10)
    assert "403" in await head_alone(server, "PUT", "/servers/team/members", 10, admin)
    assert "413" in await head_alone(server, "PATCH", "/users/@me?user=alice", 65_537)


async def test_a_page_may_read_that_its_body_was_too_large(start_server):
    server = await start_server(origins=["https://app.example"])
    body = b" " * 65_537
    answer = await server.request("PATCH", "/users/@me", user="alice", body=body, headers=[BROWSER])
    assert (answer.status, answer.header("access-control-allow-origin")) == (413, BROWSER[1])


@pytest.mark.slow
async def test_only_the_list_of_members_may_be_long(server):
    admin = server.admin()
    await server.request("PUT", "/servers/team", token=admin, body={})
    longest = [f"u{number:0127}" for number in range(10_000)]
    path, body = "/servers/team/members", {"members": longest}
    assert (await server.request("PUT", path, token=admin, body=body)).status == 204
    bearer = f"authorization: Bearer {admin}"
    assert "413" in await head_alone(server, "PUT", "/users/alice", 65_537, bearer)
    assert "413" in await head_alone(server, "PUT", path, 2 * 1024 * 1024 + 1, bearer)


async def test_a_body_of_too_many_values_is_refused(server):
    answer = await server.request("PATCH", "/users/@me", user="alice", body=b"[" + b"[]," * 2000)
    assert (answer.status, answer.error) == (400, "body holds too many values")


async def test_refused_requests_count_against_the_rate_of_their_address(start_server):
    server = await start_server(max_requests_per_second=1)
    statuses = [(await server.request("GET", "/nowhere")).status for _ in range(3)]
    assert statuses == [404, 404, 429]
    assert (await server.request("GET", "/users/@me", user="alice")).status == 200


async def test_refused_upgrades_count_against_the_rate_of_their_address(start_server):
    server = await start_server(max_requests_per_second=1)
    answers = [await server.refusal("/ws?token=x") for _ in range(3)]
    assert [answer.status for answer in answers] == [401, 401, 429]
    assert answers[-1].header("connection") == "close"
    await server.connect("alice")
