"""HTTP/1.1 over real sockets: what is answered, and what ends a connection."""

import json
import socket
import struct

import pytest
import trio
import trio.testing
from wire import upgrade_request

from presence.errors import InvalidInput, StoreUnavailable, UserCrashed, UserUnavailable
from presence.transport.http.request import HttpError, Response, json_response
from presence.transport.http.request_head import parse_query

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


def request_head(line, *headers):
    return "\r\n".join([f"{line} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


async def test_requests_of_a_kept_alive_connection_are_answered_in_turn(client):
    for path in ("/a", "/b?x=1&y=%C3%A4", "/c"):
        await client.send(request_head(f"GET {path}"))
        status, headers, body = await client.answer()
        assert (status, headers["content-type"]) == (200, "application/json")
        assert json.loads(body)["path"] == path.partition("?")[0]


async def test_pipelined_requests_are_answered_in_order(client):
    await client.send(*(request_head(f"GET /{n}") for n in range(50)))
    paths = [json.loads((await client.answer())[2])["path"] for _ in range(50)]
    assert paths == [f"/{n}" for n in range(50)]


async def test_a_request_in_single_bytes_is_understood(client):
    for byte in request_head("POST /a?q=1", "Content-Length: 3") + b"abc":
        await client.send(bytes((byte,)))
    _, _, body = await client.answer()
    assert json.loads(body) == {
        "method": "POST",
        "path": "/a",
        "query": {"q": "1"},
        "body": "abc",
        "peer": "127.0.0.1",
    }


async def test_a_client_that_expects_100_continue_gets_it(client):
    await client.send(request_head("POST /a", "Content-Length: 2", "Expect: 100-continue"))
    assert (await client.answer())[0] == 100
    await client.send(b"ok")
    assert json.loads((await client.answer())[2])["body"] == "ok"


async def test_a_declared_body_over_the_limit_is_refused_before_it_is_sent(open_http_listener):
    listener = await open_http_listener(max_body_bytes=10)
    client = await listener.connect()
    await client.send(request_head("POST /a", "Content-Length: 11", "Expect: 100-continue"))
    status, headers, body = await client.answer()
    assert (status, headers["connection"]) == (413, "close")
    assert json.loads(body) == {"error": "body too large"}
    assert await client.wait_end() == b""


CHUNKED = request_head("POST /a", "Transfer-Encoding: chunked")
LONG = b"x-filler: " + b"f" * 425 + b"\r\n"


def post(body, *headers):
    return request_head("POST /a", f"Content-Length: {len(body)}", *headers) + body


async def test_a_chunked_body_arrives_whole(client):
    await client.send(CHUNKED, b"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n", GET)
    assert json.loads((await client.answer())[2])["body"] == "abcde"
    assert json.loads((await client.answer())[2])["method"] == "GET"


@pytest.mark.parametrize(
    ("limits", "wire", "status"),
    [
        pytest.param({"max_body_bytes": 10}, post(b"x" * 11), 413, id="body over the limit"),
        pytest.param(
            {"max_body_bytes": 10},
            CHUNKED + b"20\r\n" + b"x" * 32 + b"\r\n" + b"4\r\nmore\r\n" * 5000,
            413,
            id="chunked body over the limit with more to come",
        ),
        pytest.param({}, post(b"x" * 65_536), 200, id="body of 64 KiB"),
        pytest.param({}, post(b"x" * 65_537), 413, id="body of one byte more"),
        pytest.param({"body_after": 0.1}, post(b"abcde")[:-3], 408, id="body that never ends"),
        pytest.param({}, request_head("GET /a", "X: " + "f" * 16_384), 431, id="head too large"),
        pytest.param({}, request_head("GET /a", "X: " + "f" * 200_000), 431, id="head without end"),
        pytest.param({}, GET[:-2] + LONG * 40 + b"\r\n", 431, id="too many headers"),
        pytest.param({}, b"\x16\x03\x01\x02\x00\x01\x00", 400, id="TLS"),
        pytest.param({}, b"|0|5|7|0|2|\r\n\r\n", 400, id="VoicePing"),
        pytest.param({}, b"\r\n\r\n\x00\r\n", 400, id="zero byte"),
        pytest.param({}, CHUNKED.replace(b"1.1", b"1.0"), 400, id="chunked body over HTTP/1.0"),
        pytest.param({}, GET.replace(b"1.1", b"2.0"), 505, id="later version"),
        pytest.param({}, post(b"ok", "Content-Encoding: gzip"), 415, id="gzip"),
        pytest.param({}, post(b"ok", "Content-Encoding: Identity"), 200, id="no coding"),
    ],
)
async def test_the_status_of_an_answer(open_http_listener, limits, wire, status):
    listener = await open_http_listener(**limits)
    client = await listener.connect()
    await client.send(wire)
    with trio.fail_after(5):
        got, headers, _ = await client.answer()
        assert got == status
        if status in (400, 413, 431, 505):
            assert headers["connection"] == "close"
            assert await client.wait_end() == b""
    assert listener.crashes == []


HOST = "Host: x"


SMUGGLED = [
    pytest.param("POST /", [HOST, "Content-Length: 3", "Transfer-Encoding: chunked"], id="cl te"),
    pytest.param("POST /", [HOST, "Content-Length: 3", "Content-Length: 4"], id="two lengths"),
    pytest.param("POST /", [HOST, "Content-Length: 3, 4"], id="length list"),
    pytest.param("POST /", [HOST, "Content-Length: +3"], id="signed length"),
    pytest.param("POST /", [HOST, "Content-Length: 0x3"], id="hexadecimal length"),
    pytest.param("POST /", [HOST, "Content-Length:"], id="empty length"),
    pytest.param("POST /", [HOST, "Transfer-Encoding: xchunked"], id="other coding"),
    pytest.param("POST /", [HOST, "Transfer-Encoding: gzip, chunked"], id="two codings"),
    pytest.param("POST /", [HOST, *["Transfer-Encoding: chunked"] * 2], id="coding twice"),
    pytest.param("POST /", [HOST, "Transfer-Encoding : chunked"], id="space before colon"),
    pytest.param("GET /", [HOST, "x\x00y: z"], id="zero byte"),
    pytest.param("GET /", [HOST, "no colon"], id="no colon"),
    pytest.param("GET /", ["Host: a", "Host: b"], id="two hosts"),
    pytest.param("GET /", ["Host: a/b"], id="host with a path"),
    pytest.param("GET /", ["Host: a, b"], id="host list"),
    pytest.param("GET /", [], id="no host"),
    pytest.param("GET ftp://x/", [HOST], id="absolute target of another scheme"),
    pytest.param("GET http:///a", [HOST], id="absolute target without a host"),
    pytest.param("GET http://me@x/", [HOST], id="absolute target with a user"),
    pytest.param("GET *", [HOST], id="asterisk"),
    pytest.param("GET x:80", [HOST], id="authority target"),
    pytest.param("CONNECT /", [HOST], id="connect"),
    pytest.param("GET /#part", [HOST], id="fragment"),
    pytest.param("GET  /", [HOST], id="two spaces"),
    pytest.param("G@T /", [HOST], id="odd method"),
    pytest.param("GET /?a=%FF", [HOST], id="query not UTF-8"),
    pytest.param("GET /?" + "&".join(f"f{n}" for n in range(51)), [HOST], id="too many fields"),
]


@pytest.mark.parametrize(("line", "headers"), SMUGGLED)
async def test_an_ambiguous_or_malformed_request_is_answered_400(listener, client, line, headers):
    await client.send("\r\n".join([f"{line} HTTP/1.1", *headers, "", ""]).encode())
    status, _, body = await client.answer()
    assert status == 400
    assert list(json.loads(body)) == ["error"]
    assert (listener.counts["malformed"], listener.crashes) == (1, [])


async def test_http_1_0_is_answered_and_closed(client):
    await client.send(b"GET /old HTTP/1.0\r\n\r\n")
    assert json.loads((await client.answer())[2])["path"] == "/old"
    assert await client.wait_end() == b""


async def test_head_has_the_length_of_get_and_no_body(client):
    await client.send(request_head("HEAD /a"), GET)
    _, headers, _ = await client.answer(has_body=False)
    assert int(headers["content-length"]) > 0
    status, _, body = await client.answer()
    assert (status, json.loads(body)["method"]) == (200, "GET")


async def test_no_content_has_neither_body_nor_length(open_http_listener, empty_response):
    async def answer(request):
        return empty_response

    listener = await open_http_listener(answer=answer)
    client = await listener.connect()
    await client.send(GET, GET)
    for _ in range(2):
        status, headers, _ = await client.answer()
        assert (status, "content-length" in headers) == (204, False)


ERRORS = [
    pytest.param(HttpError(409, "taken", (("x-y", "z"),)), 409, "taken", id="HttpError"),
    pytest.param(InvalidInput("status", "is unknown"), 400, "status is unknown", id="InvalidInput"),
    pytest.param(StoreUnavailable(), 503, "the store cannot be read now", id="StoreUnavailable"),
    pytest.param(UserUnavailable(), 503, "the server is busy or stopping", id="UserUnavailable"),
    pytest.param(UserCrashed(), 500, "internal error", id="UserCrashed"),
]


@pytest.mark.parametrize(("error", "status", "problem"), ERRORS)
async def test_a_named_error_is_an_answer(open_http_listener, error, status, problem):
    async def answer(request):
        raise error

    listener = await open_http_listener(answer=answer)
    client = await listener.connect()
    await client.send(GET)
    got, _, body = await client.answer()
    assert (got, json.loads(body)) == (status, {"error": problem})
    assert listener.crashes == []


async def test_a_crash_is_answered_500_and_ends_nobody_else(open_http_listener):
    crash = KeyError("secret")

    async def answer(request):
        if request.path == "/crash":
            raise crash
        return Response(200, b"fine")

    listener = await open_http_listener(answer=answer)
    bystander, client = await listener.connect(), await listener.connect()
    await client.send(request_head("GET /crash"), GET)
    status, _, body = await client.answer()
    assert (status, json.loads(body)) == (500, {"error": "internal error"})
    assert listener.crashes == [crash]
    for survivor in (client, bystander):
        if survivor is bystander:
            await survivor.send(GET)
        assert (await survivor.answer())[2] == b"fine"


async def test_an_answer_that_cannot_be_sent_ends_only_its_connection(open_http_listener):
    async def answer(request):
        return Response(200, b"", (("x-bad", "line\nbreak"),))

    listener = await open_http_listener(answer=answer)
    for crash_count in (1, 2):
        client = await listener.connect()
        await client.send(GET)
        assert await client.wait_end() == b""
        assert len(listener.crashes) == crash_count


async def test_a_large_answer_reaches_a_slow_reader_whole(open_http_listener):
    async def answer(request):
        return Response(200, b"x" * 3_000_000)

    listener = await open_http_listener(answer=answer)
    client = await listener.connect()
    await client.send(GET)
    _, _, body = await client.answer()
    assert len(body) == 3_000_000


async def test_a_client_that_does_not_read_a_large_answer_is_cut(open_http_listener):
    async def answer(request):
        return Response(200, b"x" * 30_000_000)

    listener = await open_http_listener(answer=answer, write_blocked_after=0.2)
    client = await listener.connect()
    await client.send(GET)
    await listener.wait_until(lambda: listener.listener.connection_count == 0)
    assert len(await client.wait_end()) < 30_000_000


async def test_a_head_that_never_ends_is_dropped(open_http_listener):
    listener = await open_http_listener(handshake_after=0.2)
    clients = [await listener.connect() for _ in range(20)]
    for client in clients:
        await client.send(b"GET /a HTTP/1.1\r\nHost:")
    with trio.fail_after(5):
        for client in clients:
            assert await client.wait_end() == b""
    assert (listener.counts["head_timed_out"], listener.listener.connection_count) == (20, 0)


async def test_dripping_bytes_do_not_prolong_the_time_of_a_head(open_http_listener):
    listener = await open_http_listener(handshake_after=0.3)
    client = await listener.connect()
    with trio.fail_after(5), pytest.raises(trio.BrokenResourceError):
        await client.send_for_ever(b"x", every=0.05)
    assert listener.counts["head_timed_out"] == 1


async def test_an_idle_connection_is_closed_after_its_time(open_http_listener):
    listener = await open_http_listener(idle_after=0.1, handshake_after=30)
    client = await listener.connect()
    await client.send(GET)
    await client.answer()
    with trio.fail_after(5):
        assert await client.wait_end() == b""


async def test_by_default_a_connection_may_be_idle_for_seventy_five_seconds(
    listener, client, mock_clock
):
    for _ in range(2):
        await client.send(GET)
        await client.answer()
        mock_clock.jump(74.9)
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert listener.listener.connection_count == 1
    mock_clock.jump(0.2)
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert listener.listener.connection_count == 0


async def test_a_client_that_half_closes_gets_its_answer(client):
    await client.send(GET)
    await client.stream.send_eof()
    assert (await client.answer())[0] == 200


async def test_discarding_ends_where_a_client_sends_for_ever(open_http_listener):
    listener = await open_http_listener(max_body_bytes=10)
    client = await listener.connect()
    await client.send(request_head("POST /a", "Content-Length: 999999999"))
    with trio.fail_after(5), pytest.raises(trio.BrokenResourceError):
        await client.send_for_ever(b"x" * 65536)
    assert client.sent_bytes < 30_000_000


async def test_an_answer_names_its_reason_and_date(open_http_listener):
    async def answer(request):
        return json_response(404, {})

    listener = await open_http_listener(answer=answer)
    client = await listener.connect()
    await client.send(b"GET / HTTP/1.0\r\n\r\n")
    head = (await client.wait_end()).decode()
    assert head.startswith("HTTP/1.1 404 Not Found\r\n")
    assert " GMT\r\n" in head


async def test_an_absolute_target_names_the_host_itself(open_http_listener):
    async def answer(request):
        return json_response(200, [request.path, request.query["q"], request.host])

    listener = await open_http_listener(answer=answer)
    client = await listener.connect()
    await client.send(request_head("GET HTTP://right.example:80/a/b?q=1"))
    await client.send(request_head("GET https://right.example?q=2"))
    assert json.loads((await client.answer())[2]) == ["/a/b", "1", "right.example:80"]
    assert json.loads((await client.answer())[2]) == ["/", "2", "right.example"]


async def test_options_of_the_whole_server_reach_the_handler(client):
    await client.send(request_head("OPTIONS *"))
    assert json.loads((await client.answer())[2])["path"] == "*"


@pytest.mark.parametrize("blank", [b"\r\n", b"\n", b"\r\n\r\n\r\n"])
async def test_blank_lines_before_a_request_are_passed_over(listener, client, blank):
    post = request_head("POST /a", "Content-Length: 2") + b"ok"
    await client.send(blank, post, blank, post, blank)
    for _ in range(2):
        assert (await client.answer())[0] == 200
    await client.send(blank)  # in a segment of its own
    await client.send(GET)
    assert (await client.answer())[0] == 200
    assert listener.counts["malformed"] == 0


async def test_blank_lines_do_not_prolong_the_time_of_a_head(open_http_listener):
    listener = await open_http_listener(handshake_after=0.3)
    client = await listener.connect()
    with trio.fail_after(5), pytest.raises(trio.BrokenResourceError):
        await client.send_for_ever(b"\r\n", every=0.05)
    assert listener.counts["head_timed_out"] == 1


async def test_an_upgrade_over_http_1_0_is_ignored(client):
    await client.send(upgrade_request("/ws").replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert json.loads((await client.answer())[2])["path"] == "/ws"


PAGE = "https://app.example"
UNREADABLE = [
    pytest.param(request_head("GET /#x", f"Origin: {PAGE}"), 400, PAGE, id="bad target"),
    pytest.param(
        request_head("GET /", f"Origin: {PAGE}", "X: " + "f" * 16_384),
        431,
        PAGE,
        id="head too large",
    ),
    pytest.param(b"GET /a HTTP/1.1\r\nno colon\r\n\r\n", 400, "*", id="head that is none"),
    pytest.param(b"GET /a HTTP/1.1\r\nX: " + b"f" * 200_000, 431, "*", id="head without an end"),
]


@pytest.mark.parametrize(("wire", "status", "allowed"), UNREADABLE)
async def test_a_page_may_read_why_its_head_was_refused(open_http_listener, wire, status, allowed):
    listener = await open_http_listener(origins=(PAGE,))
    client = await listener.connect()
    await client.send(wire)
    got, headers, _ = await client.answer()
    assert (got, headers["access-control-allow-origin"]) == (status, allowed)


async def test_malformed_requests_count_against_their_address(open_http_listener):
    refused = []
    listener = await open_http_listener(count_refused=refused.append)
    client = await listener.connect()
    await client.send(request_head("GET /#x"))
    assert (await client.answer())[0] == 400
    assert refused == ["127.0.0.1"]


async def test_too_many_malformed_requests_are_answered_429(open_http_listener):
    def refuse(peer):
        raise HttpError(429, "too many requests", (("retry-after", "1"),))

    listener = await open_http_listener(count_refused=refuse)
    client = await listener.connect()
    await client.send(b"\x16\x03\x01\r\n\r\n")
    status, headers, _ = await client.answer()
    assert (status, headers["retry-after"]) == (429, "1")


async def test_a_body_that_no_handler_reads_ends_the_connection_after_the_answer(
    open_http_listener,
):
    async def answer(request):
        return json_response(404, {})

    listener = await open_http_listener(answer=answer)
    client = await listener.connect()
    await client.send(request_head("PATCH /nowhere", "Content-Length: 1000000"), b"x" * 5000)
    status, headers, _ = await client.answer()  # although most of the body has not come
    assert (status, headers["connection"]) == (404, "close")
    assert await client.wait_end() == b""


async def test_a_handler_names_a_bound_of_its_own_for_the_body(open_http_listener):
    async def answer(request):
        return json_response(200, len(await request.body.read(at_most=20)))

    listener = await open_http_listener(answer=answer, max_body_bytes=10)
    for size, status in ((20, 200), (21, 413)):
        client = await listener.connect()
        await client.send(request_head("POST /a", f"Content-Length: {size}"), b"x" * size)
        assert (await client.answer())[0] == status


async def test_a_connection_that_is_lost_amid_a_body_crashes_nothing(listener, client):
    await client.send(request_head("POST /a", "Content-Length: 1000"), b"x" * 10)
    client.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await trio.aclose_forcefully(client.stream)
    await listener.wait_until(lambda: listener.listener.connection_count == 0)
    assert listener.crashes == []


@pytest.mark.parametrize("query", ["a=1&a=2", "a=1&b=2&a=1"])
def test_a_field_that_is_asked_for_stands_once_in_the_query(query):
    with pytest.raises(HttpError, match=r"^a comes twice in the query$"):
        parse_query(query).get("a")


def test_fields_that_nobody_asks_for_may_repeat():
    query = parse_query("x=1&x=2&b=3")
    assert (query.get("b"), query.get("c"), "c" in query, len(query)) == ("3", None, False, 2)


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("", {}),
        ("a", {"a": ""}),
        ("a=1&b=x+y%2B", {"a": "1", "b": "x y+"}),
        ("a;b=1", {"a;b": "1"}),
    ],
)
def test_a_query_is_decoded(query, fields):
    assert parse_query(query) == fields
