"""Which web pages may talk to the server: exactly the own host, or a listed origin."""

import pytest

from presence.transport.http.cors import OriginRules, is_loopback_host
from presence.transport.http.request import Request

LISTED = ("https://app.example", "http://localhost:3000", "null")


def request(origin=None, host="presence.example"):
    headers = {"host": host}
    if origin is not None:
        headers["origin"] = origin
    return Request("GET", "/ws", headers=headers)


ALLOWED = [
    pytest.param(None, "presence.example", id="no browser"),
    pytest.param("https://presence.example", "presence.example", id="own host"),
    pytest.param("http://presence.example", "presence.example", id="own host by http"),
    pytest.param("https://presence.example:8443", "presence.example:8443", id="own port"),
    pytest.param("http://[::1]:8080", "[::1]:8080", id="own address"),
    pytest.param("https://app.example", "presence.example", id="listed"),
    pytest.param("http://localhost:3000", "presence.example", id="listed with port"),
]


@pytest.mark.parametrize(("origin", "host"), ALLOWED)
def test_allowed_origins(origin, host):
    assert OriginRules(LISTED).refusal(request(origin, host)) is None


REFUSED = [
    "",
    " ",
    "null",
    "NULL",
    "file://",
    "://presence.example",
    "//presence.example",
    "presence.example",
    "https:presence.example",
    "https:///presence.example",
    "https://",
    "*",
    "https://*",
    "https://evil.example",
    "https://presence.example.evil.example",
    "https://evilpresence.example",
    "https://evil-presence.example",
    "https://presence.example.",
    "https://presence.exampl",
    "https://presence_example",
    "https://sub.presence.example",
    "https://presence.example:443",
    "https://presence.example:8443",
    "https://presence.example:",
    "https://presence.example/",
    "https://presence.example/path",
    "https://presence.example?x",
    "https://presence.example#x",
    "https://presence.example@evil.example",
    "https://user@presence.example",
    "https://evil.example/https://presence.example",
    "HTTPS://presence.example",
    "https://PRESENCE.example",
    "https://presence.example, https://presence.example",
    "https://presence.example https://evil.example",
    "https://xn--presnce-dya.example",
    "https://pr\xe9sence.example",
    "https://presence.example\x00",
    "wss://presence.example",
    "ftp://presence.example",
    "chrome-extension://presence.example",
    "http://app.example",
    "https://app.example:443",
    "https://app.example/",
    "https://APP.example",
    "https://app.example.evil",
    "http://localhost:3001",
    "http://localhost",
]


@pytest.mark.parametrize("origin", REFUSED)
def test_refused_origins(origin):
    assert OriginRules(LISTED).refusal(request(origin)) == "origin not allowed"


def test_a_page_is_not_let_in_by_an_empty_host():
    assert OriginRules().refusal(request("https://", host="")) == "origin not allowed"


def test_a_public_route_takes_any_page():
    assert OriginRules().refusal(request("https://evil.example"), is_public=True) is None


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        ("localhost", True),
        ("localhost:8080", True),
        ("LocalHost:8080", True),
        ("127.0.0.1", True),
        ("127.0.0.1:8080", True),
        ("127.255.3.4:1", True),
        ("[::1]", True),
        ("[::1]:8080", True),
        ("", False),
        ("localhost.", False),
        ("localhost.evil.example", False),
        ("localhost:8080.evil.example", False),
        ("evil.example", False),
        ("evil.example:8080", False),
        ("127.0.0.1.evil.example", False),
        ("127.1", False),
        ("0.0.0.0", False),
        ("128.0.0.1", False),
        ("::1", False),
        ("[::2]", False),
        ("[::1", False),
        ("[::1]evil", False),
        ("[::1]:80evil", False),
        ("localhost:\uff18\uff10", False),
    ],
)
def test_loopback_hosts(host, is_loopback):
    assert is_loopback_host(host) is is_loopback


def test_in_development_a_rebound_name_is_refused_even_on_public_routes():
    rules = OriginRules(is_development=True)
    rebound = request("http://evil.example:8080", "evil.example:8080")
    sentence = "in development mode the host must be this machine"
    assert rules.refusal(rebound) == sentence
    assert rules.refusal(rebound, is_public=True) == sentence
    assert rules.refusal(request("http://localhost:80", "localhost:80")) is None


def test_an_allowed_page_may_read_the_answer():
    assert OriginRules(LISTED).cors_headers(request("https://app.example").headers) == (
        ("access-control-allow-origin", "https://app.example"),
        ("access-control-expose-headers", "retry-after, presence-persisted, link"),
        ("vary", "Origin"),
    )


@pytest.mark.parametrize("origin", [None, "https://evil.example", "null"])
def test_nobody_else_gets_a_header(origin):
    assert OriginRules(LISTED).cors_headers(request(origin).headers) == ()
