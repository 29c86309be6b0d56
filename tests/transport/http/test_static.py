"""Files that are served as they are: types, ETags, compression."""

import gzip

import pytest

from presence.transport.http.request import Request
from presence.transport.http.static import accepts_gzip, build_static_file

BODY = b"export const answer = 42;\n" * 40


async def get(headers=(), *, name="answer.js", more=()):
    file = build_static_file(name, BODY, more)
    response = await file.answer(Request("GET", "/", headers=dict(headers)))
    return response.status, response.body, dict(response.headers)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.html", "text/html; charset=utf-8"),
        ("a.d.ts", "text/plain; charset=utf-8"),
    ],
)
async def test_the_type_follows_from_the_name(name, kind):
    status, body, headers = await get(name=name)
    assert (status, body, headers["content-type"]) == (200, BODY, kind)
    assert headers["x-content-type-options"] == "nosniff"


async def test_a_client_that_has_the_file_gets_nothing_more():
    etag = (await get())[2]["etag"]
    for known in (etag, etag.removeprefix("W/"), f'"other", {etag}', "*"):
        status, body, headers = await get({"if-none-match": known})
        assert (status, body, headers["etag"]) == (304, b"", etag)
    assert (await get({"if-none-match": '"other"'}))[0] == 200


async def test_a_file_is_compressed_for_those_who_take_it():
    status, body, headers = await get({"accept-encoding": "br, gzip"})
    assert (status, gzip.decompress(body)) == (200, BODY)
    assert (headers["content-encoding"], headers["vary"]) == ("gzip", "Accept-Encoding")
    assert len(body) < len(BODY) / 2


@pytest.mark.parametrize(
    ("header", "accepts"),
    [
        ("gzip", True),
        ("deflate, GZip;q=0.5", True),
        ("", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("x-gzip", False),
    ],
)
def test_gzip_is_accepted_where_the_header_says_so(header, accepts):
    assert accepts_gzip(header) == accepts


async def test_the_headers_of_its_own_are_in_every_answer():
    more = (("content-security-policy", "default-src 'none'"),)
    assert (await get(more=more))[2]["content-security-policy"] == "default-src 'none'"
