"""Errors of authentication as values, which each dialect renders in its own form."""

import math
from collections import Counter

import pytest

from presence.errors import TokenProblem, TokenRefused
from presence.frontends.authentication import Authentication
from presence.live.claims import Claims
from presence.live.clock import Clock
from presence.transport.admission import RequestRates
from presence.transport.http.request import HttpError, Request


def verify(token, now):
    if token != "good":
        raise TokenRefused(TokenProblem.MALFORMED)
    return Claims("alice", expires_at=math.inf)


def authentication_of(**options):
    return Authentication(verify, lambda claims: False, RequestRates(0, 0), Clock().now, **options)


@pytest.mark.parametrize("servers", [None, ("design", "support")])
async def test_development_users_claim_the_servers_that_they_are_given(servers):
    authentication = authentication_of(
        is_development=True, on_refused=Counter().update, development_servers=servers
    )
    by_query = authentication.of_request(Request("GET", "/", query={"user": "alice"}))
    assert by_query.servers == authentication.of_named_user("alice").servers == servers


async def test_the_servers_of_development_users_are_no_part_of_a_token():
    authentication = authentication_of(
        is_development=True, on_refused=Counter().update, development_servers=("design",)
    )
    bearer = Request("GET", "/", headers={"authorization": "Bearer good"})
    assert authentication.of_request(bearer).servers is None


@pytest.mark.parametrize(
    ("headers", "reason", "problem"),
    [
        ({}, "missing", "a token is needed"),
        ({"authorization": "Basic good"}, "missing", "a token is needed"),
        ({"authorization": "Bearer bad"}, "malformed", "the token is refused: malformed"),
    ],
)
async def test_a_401_says_as_a_value_whether_the_token_is_missing_or_refused(
    headers, reason, problem
):
    refused = Counter()
    authentication = authentication_of(
        is_development=False, on_refused=lambda reason: refused.update([reason])
    )
    with pytest.raises(HttpError) as error:
        authentication.of_request(Request("GET", "/", headers=headers))
    assert (error.value.status, error.value.problem) == (401, problem)
    assert error.value.headers == (("www-authenticate", "Bearer"),)
    assert error.value.cause.reason == reason
    assert refused == {reason: 1}
