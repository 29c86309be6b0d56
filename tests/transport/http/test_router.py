"""From path to handler, and what a web page may do with the answer."""

import attrs
import pytest

from presence.errors import InvalidInput, StoreUnavailable
from presence.transport.http.cors import OriginRules
from presence.transport.http.request import HttpError, Request, Response
from presence.transport.http.router import Route, Router, split_path

INTERNAL_ERROR = b'{"error":"internal error"}'


def named(name):
    async def handler(request):
        parameters = ",".join(f"{key}={value}" for key, value in sorted(request.parameters.items()))
        return Response(200, f"{name}({parameters})".encode())

    return handler


ROUTES = [
    Route("GET", "/", named("page")),
    Route("GET", "/users", named("users")),
    Route("GET", "/users/{id}", named("user")),
    Route("PATCH", "/users/{id}", named("patch")),
    Route("GET", "/users/me", named("me")),
    Route("PUT", "/users/{id}/presence", named("put")),
    Route("GET", "/servers/{server}/members/{user}", named("member")),
    Route("GET", "/client.js", named("script"), is_public=True),
]


def router(**options):
    return Router(ROUTES, OriginRules(("https://app.example",)), **options)


def ask(method, path, **headers):
    return Request(method, path, headers={"host": "presence.example", **headers})


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/", b"page()"),
        ("GET", "/users", b"users()"),
        ("GET", "/users/7", b"user(id=7)"),
        ("HEAD", "/users/7", b"user(id=7)"),
        ("PATCH", "/users/7", b"patch(id=7)"),
        ("GET", "/users/me", b"me()"),
        ("PUT", "/users/me/presence", b"put(id=me)"),
        ("GET", "/servers/a/members/b", b"member(server=a,user=b)"),
        ("GET", "/users/%40alice%3Ahome", b"user(id=@alice:home)"),
        ("GET", "/users/a%2Fb", b"user(id=a/b)"),
        ("GET", "/users/%C3%A4", "user(id=ä)".encode()),
        ("GET", "/users/a+b", b"user(id=a+b)"),
        ("GET", "/%75sers/7", b"user(id=7)"),
    ],
)
async def test_a_path_finds_its_handler(method, path, body):
    response = await router().answer(ask(method, path))
    assert (response.status, response.body) == (200, body)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nowhere", 404),
        ("/users/", 404),
        ("/users//presence", 404),
        ("/users/7/presence/more", 404),
        ("//users", 404),
        ("/users/7%", 400),
        ("/users/%zz", 400),
        ("/users/%FF", 400),
        ("/users/%ED%A0%80", 400),
    ],
)
async def test_a_path_that_fits_nothing(path, status):
    assert (await router().answer(ask("GET", path))).status == status


async def test_a_wrong_method_names_the_right_ones():
    response = await router().answer(ask("DELETE", "/users/7"))
    assert (response.status, dict(response.headers)["allow"]) == (405, "GET, HEAD, OPTIONS, PATCH")


async def test_a_question_about_the_whole_server_names_every_method():
    response = await router().answer(ask("OPTIONS", "*"))
    assert (response.status, dict(response.headers)["allow"]) == (
        204,
        "GET, HEAD, OPTIONS, PATCH, PUT",
    )


@pytest.mark.parametrize("path", ["/users/7", "/nowhere"])
async def test_no_answer_is_stored_on_its_way_unless_a_handler_says_so(path):
    response = await router().answer(ask("GET", path))
    assert dict(response.headers)["cache-control"] == "no-store"


async def test_a_handler_says_how_long_its_answer_may_be_stored():
    async def script(request):
        return Response(200, b"", (("cache-control", "max-age=60"),))

    response = await Router([Route("GET", "/", script)], OriginRules()).answer(ask("GET", "/"))
    assert response.headers == (("cache-control", "max-age=60"),)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (ask("GET", "/nowhere"), 404),
        (ask("DELETE", "/users/7"), 405),
        (ask("GET", "/users/%ff"), 400),
        (ask("GET", "/users/7", origin="https://evil.example"), 403),
    ],
)
async def test_requests_without_a_handler_count_against_their_address(request_, status):
    refused = []
    response = await router(count_refused=refused.append).answer(
        attrs.evolve(request_, peer="192.0.2.1")
    )
    assert (response.status, refused) == (status, ["192.0.2.1"])


async def test_too_many_requests_that_reach_no_handler_are_answered_429():
    def refuse(peer):
        raise HttpError(429, "too many requests")

    assert (await router(count_refused=refuse).answer(ask("GET", "/nowhere"))).status == 429
    assert (await router(count_refused=refuse).answer(ask("GET", "/users"))).status == 200


async def test_a_preflight_of_an_allowed_page_says_what_it_may_do():
    request = ask("OPTIONS", "/users/7", origin="https://app.example")
    response = await router().answer(request)
    assert response.status == 204
    assert dict(response.headers) == {
        "cache-control": "no-store",
        "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
        "access-control-allow-headers": "authorization, content-type",
        "access-control-max-age": "600",
        "allow": "GET, HEAD, OPTIONS, PATCH",
        "access-control-allow-origin": "https://app.example",
        "access-control-expose-headers": "retry-after, presence-persisted, link",
        "vary": "Origin",
    }


async def test_an_allowed_page_may_read_errors_too():
    response = await router().answer(ask("GET", "/nowhere", origin="https://app.example"))
    assert dict(response.headers)["access-control-allow-origin"] == "https://app.example"


@pytest.mark.parametrize(
    "error", [HttpError(429, "slow down"), InvalidInput("status", "is unknown")]
)
async def test_an_allowed_page_may_read_what_a_handler_refused(error):
    async def refusing(request):
        raise error

    routes = Router([Route("GET", "/", refusing)], OriginRules(("https://app.example",)))
    response = await routes.answer(ask("GET", "/", origin="https://app.example"))
    assert response.status in (400, 429)
    assert dict(response.headers)["access-control-allow-origin"] == "https://app.example"


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "PATCH"])
async def test_a_foreign_page_is_refused_before_the_handler(method):
    response = await router().answer(ask(method, "/users/7", origin="https://evil.example"))
    assert response.status == 403
    assert not [name for name, _ in response.headers if name.startswith("access-control")]


@pytest.mark.parametrize("origin", [{}, {"origin": "https://evil.example"}, {"origin": "null"}])
async def test_a_public_route_may_be_read_by_every_page(origin):
    response = await router().answer(ask("GET", "/client.js", **origin))
    assert (response.status, dict(response.headers)["access-control-allow-origin"]) == (200, "*")


async def test_in_development_a_foreign_host_reaches_no_handler():
    rules = OriginRules(is_development=True)
    response = await Router(ROUTES, rules).answer(ask("GET", "/client.js"))
    assert response.status == 403
    local = attrs.evolve(ask("GET", "/client.js"), headers={"host": "127.0.0.1:8080"})
    assert (await Router(ROUTES, rules).answer(local)).status == 200


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (Route("GET", "/users/{id}", named("again")), "two handlers"),
        (Route("GET", "/users/{name}/x", named("other")), "two names"),
    ],
)
def test_routes_that_contradict_each_other_are_an_error(more, problem):
    with pytest.raises(ValueError, match=problem):
        Router([*ROUTES, more], OriginRules())


def test_an_escaped_slash_stays_in_its_segment():
    assert split_path("/a%2Fb/c") == ["a/b", "c"]


def render_code(error):
    """Another form of errors: the kind of the cause, and the sentence."""
    body = f"{type(error.cause).__name__}: {error.problem}".encode()
    return Response(error.status, body, error.headers)


def raising(error):
    async def handler(request):
        raise error

    return handler


CODED = [
    (HttpError(403, "no", (("x-y", "z"),)), b"NoneType: no", b'{"error":"no"}'),
    (InvalidInput("a", "is odd"), b"InvalidInput: a is odd", b'{"error":"a is odd"}'),
    (
        StoreUnavailable(),
        b"StoreUnavailable: the store cannot be read now",
        b'{"error":"the store cannot be read now"}',
    ),
]


@pytest.mark.parametrize(("error", "coded", "default"), CODED)
async def test_errors_have_the_form_of_the_group_of_their_route(error, coded, default):
    routes = Router(
        [
            Route("GET", "/coded/{id}", raising(error), render_error=render_code),
            Route("GET", "/plain", raising(error)),
        ],
        OriginRules(),
    )
    answers = [await routes.answer(ask("GET", path)) for path in ("/coded/1", "/plain")]
    assert [answer.body for answer in answers] == [coded, default]
    assert answers[0].status == answers[1].status
    form = {("content-type", "application/json")}
    assert set(answers[1].headers) - form == set(answers[0].headers)


async def test_a_foreign_page_is_refused_in_the_form_of_the_route():
    routes = Router(
        [Route("GET", "/coded", named("coded"), render_error=render_code)], OriginRules()
    )
    answer = await routes.answer(ask("GET", "/coded", origin="https://evil.example"))
    assert (answer.status, answer.body) == (403, b"NoneType: origin not allowed")


@pytest.mark.parametrize(("method", "path"), [("GET", "/other"), ("PUT", "/coded")])
async def test_requests_without_a_route_are_refused_in_the_default_form(method, path):
    routes = Router(
        [Route("GET", "/coded", named("coded"), render_error=render_code)], OriginRules()
    )
    answer = await routes.answer(ask(method, path))
    assert answer.body.startswith(b'{"error":')


async def test_a_crash_is_answered_in_the_form_of_the_route(open_http_listener):
    routes = Router(
        [
            Route("GET", "/coded", raising(KeyError("secret")), render_error=render_code),
            Route("GET", "/plain", raising(KeyError("secret"))),
        ],
        OriginRules(),
    )
    listener = await open_http_listener(answer=routes.answer, render_error=routes.render_error)
    client = await listener.connect()
    for path, body in (("coded", b"NoneType: internal error"), ("plain", INTERNAL_ERROR)):
        await client.send(b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode())
        status, _, got = await client.answer()
        assert (status, got) == (500, body)
    assert len(listener.crashes) == 2
