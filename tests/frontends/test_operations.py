"""Addresses for operators, browsers and monitoring."""

import re

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from presence.config import Config
from presence.frontends.admin.operations import is_local
from presence.frontends.web.files import WebFiles
from presence.openapi import openapi_document
from presence.transport.http.request import Request
from presence.wiring.routes import build_routes

PROXY = [("x-forwarded-for", "203.0.113.9")]


async def test_a_running_server_is_healthy_and_ready(server):
    health, readiness = [await server.request("GET", path) for path in ("/healthz", "/readyz")]
    assert (health.status, health.json) == (200, {"status": "ok"})
    assert (readiness.status, readiness.json) == (200, {"status": "ready"})


async def test_while_draining_it_is_healthy_and_not_ready(server):
    server.node.is_draining = True
    answer = await server.request("GET", "/readyz")
    assert (answer.status, answer.header("retry-after")) == (503, "1")
    assert answer.json == {"status": "draining", "error": "the server is stopping"}
    assert (await server.request("GET", "/healthz")).status == 200
    server.node.is_draining = False


async def test_a_store_that_fails_degrades_it_until_a_write_succeeds(
    server, monkeypatch, break_store
):
    break_store(server)
    await server.connect("alice")
    await server.until(lambda: server.node.writer.is_failing)
    answer = await server.request("GET", "/readyz")
    assert (answer.status, answer.json) == (200, {"status": "degraded"})
    monkeypatch.undo()
    await server.patch("alice", status="dnd")
    assert (await server.request("GET", "/readyz")).json == {"status": "ready"}


# -- metrics ---------------------------------------------------------------------------------


async def test_metrics_are_open_to_this_machine(server):
    await server.connect("alice")
    answer = await server.request("GET", "/metrics")
    assert answer.status == 200
    assert answer.header("content-type") == "text/plain; version=0.0.4; charset=utf-8"
    assert b"presence_open_connections 1.0\n" in answer.body
    assert b'presence_connections_total{dialect="together"} 1.0\n' in answer.body
    assert b"alice" not in answer.body


@pytest.mark.parametrize("header", ["x-forwarded-for", "x-real-ip", "forwarded", "via"])
async def test_metrics_behind_a_proxy_need_an_admin_token(server, header):
    headers = [(header, "203.0.113.9")]
    assert (await server.request("GET", "/metrics", headers=headers)).status == 401
    token = server.token("alice")
    assert (await server.request("GET", "/metrics", headers=headers, token=token)).status == 403
    answer = await server.request("GET", "/metrics", headers=headers, token=server.admin())
    assert answer.status == 200


@pytest.mark.parametrize(
    ("peer", "headers", "claim"),
    [
        ("127.0.0.1", {}, True),
        ("127.8.8.8", {}, True),
        ("::1", {}, True),
        ("127.0.0.1", {"x-forwarded-for": "127.0.0.1"}, False),
        ("10.0.0.1", {}, False),
        ("2001:db8::1", {}, False),
        ("localhost", {}, False),
        ("", {}, False),
    ],
)
async def test_only_direct_requests_of_this_machine_are_local(peer, headers, claim):
    assert is_local(Request("GET", "/metrics", headers=headers, peer=peer)) is claim


# -- development tokens ----------------------------------------------------------------------


async def test_a_development_token_lets_its_user_in(server):
    answer = await server.request(
        "POST", "/auth/dev-token", body={"user": "alice", "servers": ["s1"]}
    )
    assert (answer.status, list(answer.json)) == (200, ["token"])
    client = await server.open(f"/ws?token={answer.json['token']}")
    ready = (await client.receive())["d"]
    assert ready["user"]["id"] == "alice"
    assert [it["id"] for it in ready["servers"]] == ["everyone", "s1"]


async def test_development_tokens_are_for_this_machine_only(server):
    answer = await server.request("POST", "/auth/dev-token", body={"user": "alice"}, headers=PROXY)
    assert answer.status == 404


async def test_outside_development_mode_there_are_none(start_server):
    server = await start_server(is_development=False)
    answer = await server.request("POST", "/auth/dev-token", body={"user": "alice"})
    assert (answer.status, answer.error) == (404, "not found")


async def test_a_page_of_another_origin_gets_none(server):
    headers = [("origin", "https://evil.example")]
    body = {"user": "alice"}
    answer = await server.request("POST", "/auth/dev-token", body=body, headers=headers)
    assert answer.status == 403


async def test_a_development_token_that_makes_no_sense_is_refused(server):
    answer = await server.request("POST", "/auth/dev-token", body={"user": "@me"})
    assert (answer.status, answer.error) == (400, "user is not a valid user id")


# -- the description of the API --------------------------------------------------------------


def operations_of(document):
    return {
        f"{method.upper()} {path}"
        for path, item in document["paths"].items()
        for method in item
        if method != "parameters"
    }


def with_any_id(address):
    return re.sub(r"\{[^}]*\}", "x1", address)


async def test_the_document_is_valid(server):
    answer = await server.request("GET", "/openapi.json")
    assert (answer.status, answer.header("content-type")) == (200, "application/json")
    validate(answer.json, cls=OpenAPIV31SpecValidator)


async def test_every_documented_path_is_routed_with_its_methods(server):
    document = (await server.request("GET", "/openapi.json")).json
    allowed = set()
    for path in document["paths"]:
        answer = await server.request("OPTIONS", with_any_id(path))
        assert answer.status == 204, path
        methods = set(answer.header("allow").split(", ")) - {"OPTIONS", "HEAD"}
        allowed |= {f"{method} {path}" for method in methods}
    # `/users/@me` and `/users/{user_id}` are asked for apart, so a route too many shows here.
    assert allowed == operations_of(document)


async def test_every_route_is_documented(server):
    document = openapi_document("1")
    parts = (Config(), server.service, None, server.counters, None, None)
    routes = build_routes(*parts, lambda wanted: "", lambda claims, device: "")
    files = WebFiles(is_development=True, pipe_port=None).routes()  # for people, not for programs
    patterns = {route.pattern for route in routes} - {route.pattern for route in files}
    routed = {
        with_any_id(f"{route.method} {route.pattern}")
        for route in routes
        if route.pattern in patterns
    }
    assert routed == {with_any_id(address) for address in operations_of(document)}


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json"])
async def test_answers_have_the_documented_type(server, path):
    document = (await server.request("GET", "/openapi.json")).json
    answer = await server.request("GET", path)
    [documented] = document["paths"][path]["get"]["responses"]["200"]["content"]
    assert answer.header("content-type").partition(";")[0] == documented


# -- methods ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/healthz", "/users/@me?user=alice", "/openapi.json", "/users/x"])
async def test_head_is_get_without_the_body(server, path):
    get, head = [await server.request(method, path) for method in ("GET", "HEAD")]
    assert (head.status, head.headers, head.body) == (get.status, get.headers, b"")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/users/@me", "GET, HEAD, OPTIONS, PATCH"),
        ("POST", "/users/alice", "DELETE, GET, HEAD, OPTIONS, PUT"),
        ("GET", "/users/presence/x", None),
        ("GET", "/users/alice/revoke", "OPTIONS, POST"),
        ("PATCH", "/servers", "GET, HEAD, OPTIONS"),
        ("POST", "/healthz", "GET, HEAD, OPTIONS"),
    ],
)
async def test_another_method_is_answered_with_those_that_are(server, method, path, allow):
    answer = await server.request(method, path, user="alice")
    assert (answer.status, answer.header("allow")) == (404 if allow is None else 405, allow)


# -- browsers --------------------------------------------------------------------------------


@pytest.fixture
async def browsed(start_server):
    return await start_server(origins=("https://app.example",))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/users/@me?user=alice", 200),
        ("GET", "/users/nobody?user=alice", 404),
        ("GET", "/users/@me", 401),
        ("PATCH", "/users/@me?user=alice", 400),
        ("GET", "/servers?user=alice", 403),
        ("DELETE", "/users/@me?user=alice", 405),
        ("GET", "/nowhere", 404),
    ],
)
async def test_a_page_of_an_allowed_origin_may_read_every_answer(browsed, method, path, status):
    headers = [("origin", "https://app.example")]
    answer = await browsed.request(method, path, headers=headers)
    assert answer.status == status
    assert answer.header("access-control-allow-origin") == "https://app.example"
    assert answer.header("vary") == "Origin"


async def test_in_development_mode_the_host_must_be_this_machine(browsed):
    answer = await browsed.request("GET", "/users/@me", user="alice", host="evil.example")
    assert answer.status == 403
    assert answer.error == "in development mode the host must be this machine"


async def test_refusals_and_ends_by_a_limit_are_counted_apart(start_server):
    server = await start_server(max_connections_per_user=1, max_frame_bytes=100)
    alice = await server.connect("alice")
    await server.refusal("/ws?user=alice")
    assert server.counted("presence_connections_refused", reason="user_limit") == 1
    await alice.send("x" * 101)
    assert await alice.close_code() == 1009
    await server.until(lambda: server.counted("presence_connections_cut", reason="frame_limit"))
    assert server.counted("presence_connections_refused", reason="user_limit") == 1
