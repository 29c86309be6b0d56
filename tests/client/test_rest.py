"""The REST client against a server that answers what the test says."""

import json

import pytest
import trio

from presence.client.rest import RequestFailed, RestClient, is_web_address


class Scripted:
    """A server that keeps each request and gives one answer to all."""

    def __init__(self, answer):
        self.answer = answer
        self.requests = []

    async def handle(self, stream):
        async with stream:
            self.requests.append(await _read_request(stream))
            if self.answer is None:
                await trio.sleep_forever()
            await stream.send_all(self.answer)


async def _read_request(stream):
    data = b""
    while b"\r\n\r\n" not in data:
        data += await stream.receive_some()
    head, _, body = data.partition(b"\r\n\r\n")
    line, *headers = head.decode().split("\r\n")
    fields = {name.lower(): value for name, _, value in (row.partition(": ") for row in headers)}
    while len(body) < int(fields.get("content-length", 0)):
        body += await stream.receive_some()
    return line, fields, json.loads(body)


def http(status, body, *headers):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(raw)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + raw


@pytest.fixture
def serve(nursery):
    async def start(answer):
        server = Scripted(answer)
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, server.handle, listeners)
        host, port = listeners[0].socket.getsockname()
        return server, f"http://{host}:{port}"

    return start


async def test_a_change_is_patched_with_the_token(serve):
    server, url = await serve(http(200, {"id": "alice"}))
    answer = await RestClient(url + "/", "secret").patch_me({"status": "dnd", "until": 1800.0})
    assert answer == {"id": "alice"}
    [(line, headers, body)] = server.requests
    assert line == "PATCH /users/@me HTTP/1.1"
    assert headers["authorization"] == "Bearer secret"
    assert headers["content-type"] == "application/json"
    assert body == {"status": "dnd", "until": 1800.0}


async def test_users_are_asked_for_in_one_request(serve):
    server, url = await serve(http(200, {"users": [{"id": "bob"}]}))
    assert await RestClient(url, "t").get_users(["bob", "carol"]) == [{"id": "bob"}]
    [(line, _, body)] = server.requests
    assert (line, body) == ("POST /users/presence HTTP/1.1", {"ids": ["bob", "carol"]})


async def test_a_development_token_is_asked_for_without_a_token(serve):
    server, url = await serve(http(200, {"token": "abc"}))
    assert await RestClient(url).get_dev_token("alice") == "abc"
    [(line, headers, body)] = server.requests
    assert (line, body) == ("POST /auth/dev-token HTTP/1.1", {"user": "alice"})
    assert "authorization" not in headers


@pytest.mark.parametrize(
    ("answer", "status", "sentence"),
    [
        (http(400, {"error": "status is not known"}), 400, "answered 400: status is not known"),
        (http(503, b"busy"), 503, "answered 503: no reason given"),
        (http(500, b"[" * 50_000), 500, "answered 500: no reason given"),
        (http(200, b"<html>"), 200, "did not answer in JSON"),
        (http(200, [1]), 200, "did not answer in JSON"),
        (http(200, {"users": None}), None, "answered without users"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", None, "gave no HTTP answer"),
        (b"", None, "gave no HTTP answer"),
    ],
)
async def test_a_bad_answer_is_reported_in_a_sentence(serve, answer, status, sentence):
    _, url = await serve(answer)
    with pytest.raises(RequestFailed, match=f"^{url} {sentence}") as failed:
        await RestClient(url, "t").get_users(["bob"])
    assert failed.value.status == status


async def test_an_answer_without_the_token_is_a_sentence(serve):
    _, url = await serve(http(200, {}))
    with pytest.raises(RequestFailed, match="answered without a token"):
        await RestClient(url).get_dev_token("alice")


async def test_a_server_that_is_not_for_development_is_a_sentence(serve):
    _, url = await serve(http(404, {"error": "not found"}))
    with pytest.raises(RequestFailed, match=f"^{url} is no development server") as failed:
        await RestClient(url).get_dev_token("alice")
    assert failed.value.status == 404


@pytest.mark.parametrize("token", ["a\nHost: b", "a\r", "t\u00f6ken"])
async def test_a_token_that_would_break_the_request_is_not_sent(serve, token):
    server, url = await serve(http(200, {"users": []}))
    with pytest.raises(RequestFailed, match="the token holds characters that no token has"):
        await RestClient(url, token).get_users(["bob"])
    assert server.requests == []


async def test_the_token_does_not_follow_a_redirect(serve):
    other, elsewhere = await serve(http(200, {"users": []}))
    _, url = await serve(http(307, b"", f"Location: {elsewhere}/users/presence"))
    with pytest.raises(RequestFailed, match="answered 307"):
        await RestClient(url, "t").get_users(["bob"])
    assert other.requests == []


async def test_a_server_that_is_not_there_is_a_sentence():
    with trio.socket.socket() as unused:
        await unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(RequestFailed, match=f"^{url} cannot be reached"):
            await RestClient(url).get_dev_token("alice")


async def test_a_server_that_never_answers_is_given_up(serve):
    server, url = await serve(None)
    with pytest.raises(RequestFailed, match=r"did not answer within 0\.2 seconds"):
        await RestClient(url, "t", answer_after=0.2).get_users(["bob"])
    assert len(server.requests) == 1


async def test_a_request_can_be_cancelled(serve):
    _, url = await serve(None)
    with trio.move_on_after(0.2) as scope:
        await RestClient(url, "t").get_users(["bob"])
    assert scope.cancelled_caught


def test_the_token_does_not_show_when_a_client_is_printed():
    assert "secret" not in repr(RestClient("http://host", "secret"))


@pytest.mark.parametrize("url", ["http://a", "https://a:8443/x", "http://[::1]:80"])
def test_a_web_address_is_one(url):
    assert is_web_address(url)


@pytest.mark.parametrize(
    "url", ["", "a:80", "ftp://a", "http://", "http://a:x", "http://a:0", "http://[::1", "http:a"]
)
def test_something_else_is_none(url):
    assert not is_web_address(url)
