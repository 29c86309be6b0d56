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
    authentication = Authentication(
        verify,
        lambda claims: False,
        RequestRates(0, 0),
        Clock().now,
        is_development=False,
        on_refused=lambda reason: refused.update([reason]),
    )
    with pytest.raises(HttpError) as error:
        authentication.of_request(Request("GET", "/", headers=headers))
    assert (error.value.status, error.value.problem) == (401, problem)
    assert error.value.headers == (("www-authenticate", "Bearer"),)
    assert error.value.cause.reason == reason
    assert refused == {reason: 1}
