"""Tokens: who is let in, as whom, and every way not to be."""

import base64
import hashlib
import hmac
import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from presence.adapters import tokens
from presence.adapters.issuer_keys import IssuerKey
from presence.adapters.tokens import (
    MAX_SERVERS,
    MAX_TOKEN_BYTES,
    ForeignIssuer,
    TokenVerifier,
    issue_token,
)
from presence.errors import InvalidInput, TokenProblem, TokenRefused
from presence.live.claims import Claims

NOW = 1_800_000_000.0
SECRET = b"the secret of the data directory"
ED = ed25519.Ed25519PrivateKey.generate()
OTHER_ED = ed25519.Ed25519PrivateKey.generate()
RSA = rsa.generate_private_key(65537, 2048)
ED_KEY = IssuerKey("EdDSA", "ed", ED.public_key())
RSA_KEY = IssuerKey("RS256", "rsa", RSA.public_key())
RSA_PEM = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

own = TokenVerifier(SECRET)


def with_keys(*keys, audience="any", **demands):
    return TokenVerifier(SECRET, ForeignIssuer(keys, audience, **demands))


configured = with_keys(ED_KEY, RSA_KEY)


def encode(part):
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def signed(payload, header=None, secret=SECRET):
    """A token made by hand: for what a library would refuse to make."""
    text = encode(header or {"alg": "HS256", "typ": "JWT"}) + b"." + encode(payload)
    return (text + b"." + encode(hmac.digest(secret, text, hashlib.sha256))).decode()


def with_claims(**claims):
    return signed({"sub": "alice", "exp": NOW + 60} | claims)


def refusal(token, verifier=own, now=NOW):
    with pytest.raises(TokenRefused) as refused:
        verifier.verify(token, now)
    assert isinstance(refused.value.reason, TokenProblem)
    return refused.value.reason


# What is let in -----------------------------------------------------------------------------


def test_an_issued_token_says_what_it_was_issued_for():
    token = issue_token(
        SECRET,
        "alice",
        now=NOW,
        ttl=900,
        servers=["b", "a"],
        device="phone",
        name="Alice",
        is_admin=True,
    )
    assert own.verify(token, NOW) == Claims(
        user_id="alice",
        expires_at=NOW + 900,
        issued_at=NOW,
        device="phone",
        servers=("b", "a"),
        name="Alice",
        is_admin=True,
    )


def test_the_smallest_token_leaves_the_rest_open():
    assert own.verify(with_claims(), NOW) == Claims(user_id="alice", expires_at=NOW + 60)


def test_issue_times_keep_their_milliseconds():
    token = issue_token(SECRET, "alice", now=NOW + 0.25, ttl=1.5)
    claims = own.verify(token, NOW + 1)
    assert (claims.issued_at, claims.expires_at) == (NOW + 0.25, NOW + 1.75)


@pytest.mark.parametrize(
    "arguments", [{"user": "07"}, {"servers": ["a b"]}, {"device": ""}, {"user": "@me"}]
)
def test_nothing_is_issued_that_would_be_refused(arguments):
    with pytest.raises(InvalidInput):
        issue_token(SECRET, **({"user": "alice"} | arguments), now=NOW, ttl=1)


@pytest.mark.parametrize(
    ("claims", "user"),
    [
        ({"sub": "7"}, "7"),
        ({"sub": 7}, "7"),
        ({"uid": 7}, "7"),
        ({"uid": "bob"}, "bob"),
        ({"sub": "alice", "uid": "bob"}, "alice"),
    ],
)
def test_the_user_is_the_subject_or_voicepings_uid(claims, user):
    assert own.verify(signed({"exp": NOW + 1} | claims), NOW).user_id == user


@pytest.mark.parametrize(
    ("claims", "servers"),
    [
        ({}, None),
        ({"servers": None}, None),
        ({"servers": []}, ()),
        ({"servers": ["b", 3, "a", "3", "b"]}, ("b", "3", "a")),
        ({"channelIds": [5, "x"]}, ("5", "x")),
        ({"servers": ["a"], "channelIds": ["b"]}, ("a",)),
        ({"servers": list(range(MAX_SERVERS))}, tuple(map(str, range(MAX_SERVERS)))),
    ],
)
def test_servers_are_listed_once_each_or_not_claimed_at_all(claims, servers):
    assert own.verify(with_claims(**claims), NOW).servers == servers


@pytest.mark.parametrize(
    ("name", "clean"),
    [("Zo\u0065\u0308", "Zo\u00eb"), ("", None), ("a\u202eb", None), ("x" * 129, None), (5, None)],
)
def test_a_name_comes_clean_or_not_at_all_and_locks_nobody_out(name, clean):
    assert own.verify(with_claims(name=name), NOW).name == clean


def test_without_other_keys_the_secret_is_good_for_any_issuer():
    assert own.verify(with_claims(iss="my-app"), NOW).user_id == "alice"


def test_our_own_tokens_stay_good_beside_configured_keys():
    token = issue_token(SECRET, "alice", now=NOW, ttl=1)
    assert configured.verify(token, NOW).user_id == "alice"


@pytest.mark.parametrize(("key", "algorithm"), [(ED, "EdDSA"), (RSA, "RS256")])
@pytest.mark.parametrize("headers", [None, {"kid": "unheard of"}])
def test_a_token_of_a_configured_issuer_is_accepted(key, algorithm, headers):
    token = jwt.encode({"sub": "bob", "exp": NOW + 1}, key, algorithm, headers=headers)
    assert configured.verify(token, NOW).user_id == "bob"


def test_every_key_of_the_algorithm_is_tried():
    verifier = with_keys(IssuerKey("EdDSA", None, OTHER_ED.public_key()), ED_KEY)
    token = jwt.encode({"sub": "bob", "exp": NOW + 1}, ED, "EdDSA")
    assert verifier.verify(token, NOW).user_id == "bob"


# Who signed it ------------------------------------------------------------------------------


def test_a_key_that_the_token_names_is_the_only_one_tried():
    verifier = with_keys(ED_KEY, IssuerKey("EdDSA", "other", OTHER_ED.public_key()))
    token = jwt.encode({"sub": "bob", "exp": NOW + 1}, ED, "EdDSA", headers={"kid": "other"})
    assert refusal(token, verifier) == "wrong signature"


def test_with_other_keys_the_secret_is_good_for_our_own_tokens_only():
    assert refusal(with_claims(), configured) == "wrong issuer"
    assert refusal(with_claims(iss="my-app"), configured) == "wrong issuer"


def test_a_token_signed_with_another_secret_is_refused():
    token = signed({"sub": "alice", "exp": NOW + 1}, secret=b"some other secret of an attacker")
    assert refusal(token) == "wrong signature"


def test_a_changed_token_is_refused():
    head, _, tail = issue_token(SECRET, "alice", now=NOW, ttl=1).split(".")
    changed = encode({"sub": "mallory", "exp": NOW + 60}).decode()
    assert refusal(f"{head}.{changed}.{tail}") == "wrong signature"


@pytest.mark.parametrize("algorithm", ["none", "None", "HS384", "HS512", "ES256", "", 5, None, []])
def test_another_algorithm_is_refused(algorithm):
    header = {"alg": algorithm, "typ": "JWT"}
    payload = {"sub": "alice", "exp": NOW + 1}
    assert refusal(signed(payload, header), configured) in {"wrong algorithm", "malformed"}
    bare = (encode(header) + b"." + encode(payload) + b".").decode()
    assert refusal(bare, configured) in {"wrong algorithm", "malformed"}


def test_a_public_key_is_no_shared_secret():
    payload = {"iss": "presence", "sub": "alice", "exp": NOW + 1}
    assert refusal(signed(payload, secret=RSA_PEM), configured) == "wrong signature"


def test_a_key_of_others_with_our_algorithm_opens_no_token():
    verifier = with_keys(IssuerKey("HS256", None, b"o" * 32))
    token = jwt.encode({"sub": "alice", "iss": "presence", "exp": NOW + 1}, b"o" * 32, "HS256")
    assert refusal(token, verifier) == "wrong signature"


@pytest.mark.parametrize("algorithm", ["EdDSA", "RS256"])
def test_a_key_decides_the_algorithm_not_the_token(algorithm):
    verifier = with_keys(RSA_KEY if algorithm == "EdDSA" else ED_KEY)
    key = ED if algorithm == "EdDSA" else RSA
    token = jwt.encode({"sub": "alice", "exp": NOW + 1}, key, algorithm)
    assert refusal(token, verifier) == "wrong algorithm"


def test_a_key_that_the_token_brings_along_is_not_believed():
    jwk = jwt.algorithms.OKPAlgorithm.to_jwk(OTHER_ED.public_key(), as_dict=True)
    token = jwt.encode({"sub": "a", "exp": NOW + 1}, OTHER_ED, "EdDSA", headers={"jwk": jwk})
    assert refusal(token, configured) == "wrong signature"


# What a foreign token is believed ------------------------------------------------------------


def foreign(**claims):
    """A token that the configured issuer signed."""
    return jwt.encode({"sub": "bob", "exp": NOW + 1} | claims, ED, "EdDSA")


def foreign_by_hand(**claims):
    """The same with claims that the library would refuse to sign."""
    text = encode({"alg": "EdDSA"}) + b"." + encode({"sub": "bob", "exp": NOW + 1} | claims)
    return (text + b"." + encode(ED.sign(text))).decode()


chat = with_keys(ED_KEY, audience="https://chat.example.org")


@pytest.mark.parametrize(
    "audience",
    [
        "https://chat.example.org",
        ["https://chat.example.org"],
        ["wiki", "https://chat.example.org"],
    ],
)
def test_a_foreign_token_that_names_us_in_its_audience_is_accepted(audience):
    assert chat.verify(foreign(aud=audience), NOW).user_id == "bob"


@pytest.mark.parametrize(
    "claims",
    [
        {},
        *[
            {"aud": audience}
            for audience in (
                None,
                "",
                "wiki",
                "any",
                "https://chat.example.org/",
                "https://CHAT.example.org",
                "the https://chat.example.org",
                [],
                ["wiki", "any"],
                [["https://chat.example.org"]],
                {"https://chat.example.org": True},
                True,
                5,
            )
        ],
    ],
)
def test_a_foreign_token_for_another_application_is_refused(claims):
    assert refusal(foreign_by_hand(**claims), chat) == "wrong audience"


@pytest.mark.parametrize("claims", [{}, {"aud": "wiki"}, {"aud": ["wiki"]}, {"aud": 5}])
def test_any_audience_is_accepted_where_that_is_written_out(claims):
    assert with_keys(ED_KEY, audience="any").verify(foreign_by_hand(**claims), NOW)


@pytest.mark.parametrize("issuer", [None, "", "https://other.example", ["https://id.example"], 5])
def test_a_foreign_token_of_another_issuer_is_refused_where_one_is_named(issuer):
    verifier = with_keys(ED_KEY, issuer="https://id.example")
    assert verifier.verify(foreign(iss="https://id.example"), NOW).user_id == "bob"
    assert refusal(foreign_by_hand(iss=issuer), verifier) == "wrong issuer"
    assert refusal(foreign(), verifier) == "wrong issuer"


def test_our_own_tokens_are_asked_for_no_audience_and_no_other_issuer():
    verifier = with_keys(ED_KEY, audience="chat", issuer="https://id.example", admin_claim="boss")
    token = issue_token(SECRET, "alice", now=NOW, ttl=1, is_admin=True)
    assert verifier.verify(token, NOW).is_admin


@pytest.mark.parametrize("iss", ["presence", "https://id.example"])
@pytest.mark.parametrize("admin", [True, False, "true", None, 1, []])
def test_a_foreign_token_makes_no_administrator_by_its_own_word(iss, admin):
    assert configured.verify(foreign(iss=iss, admin=admin), NOW).is_admin is False


@pytest.mark.parametrize("iss", [{}, {"iss": "my-app"}, {"iss": ["presence"]}])
def test_the_secret_alone_makes_no_administrator(iss):
    assert own.verify(with_claims(admin=True, **iss), NOW).is_admin is False
    assert own.verify(with_claims(admin=True, iss="presence"), NOW).is_admin is True


@pytest.mark.parametrize(
    ("claims", "is_admin"),
    [
        ({"https://example.org/admin": True}, True),
        *[
            ({"https://example.org/admin": value}, False)
            for value in (False, "true", 1, None, [True], {"true": True})
        ],
        ({"admin": True}, False),
        ({}, False),
    ],
)
def test_only_the_configured_claim_being_true_makes_a_foreign_administrator(claims, is_admin):
    verifier = with_keys(ED_KEY, admin_claim="https://example.org/admin")
    assert verifier.verify(foreign(**claims), NOW).is_admin is is_admin


def test_the_configured_claim_makes_no_administrator_of_our_own_users():
    verifier = with_keys(ED_KEY, admin_claim="boss")
    assert verifier.verify(with_claims(iss="presence", boss=True), NOW).is_admin is False


# When it holds ------------------------------------------------------------------------------


def test_a_token_holds_until_the_moment_it_expires():
    token = with_claims(exp=NOW + 1)
    assert own.verify(token, NOW + 0.999).expires_at == NOW + 1
    assert refusal(token, now=NOW + 1) == "expired"


@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_clocks_may_differ_by_thirty_seconds_and_no_more(claim):
    token = with_claims(**{claim: NOW + 30})
    assert own.verify(token, NOW).user_id == "alice"
    assert refusal(token, now=NOW - 0.001) == "not yet valid"


@pytest.mark.parametrize("claim", ["exp", "iat", "nbf"])
@pytest.mark.parametrize("value", ["1900000000", True, [], {}, -1, 2**53, 10**400, "", 1e308])
def test_a_time_that_is_none_is_refused(claim, value):
    assert refusal(with_claims(**{claim: value})) in {"unusable time", "malformed"}


@pytest.mark.parametrize("literal", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"9" * 5000])
def test_a_time_that_is_no_number_in_json_is_refused(literal):
    payload = b'{"sub": "alice", "exp": ' + literal + b"}"
    assert refusal(signed(payload)) in {"unusable time", "malformed"}


def test_a_token_without_an_end_is_refused():
    assert refusal(signed({"sub": "alice"})) == "unusable time"
    assert refusal(with_claims(exp=None)) == "unusable time"


# What it says -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"sub": None},
        {"sub": ""},
        {"sub": "07"},
        {"sub": 0},
        {"sub": -1},
        {"sub": 2**53},
        {"sub": 7.0},
        {"sub": True},
        {"sub": "a b"},
        {"sub": "@me"},
        {"sub": "x" * 129},
        {"sub": ["alice"]},
        {"sub": "\u0661"},
        {"sub": "not valid!", "uid": "bob"},
    ],
)
def test_a_subject_that_is_no_user_is_refused(claims):
    assert refusal(signed({"exp": NOW + 1} | claims)) == "no valid user"


def test_a_refresh_token_opens_nothing():
    assert refusal(with_claims(token_type="refresh")) == "a refresh token"
    assert own.verify(with_claims(token_type="access"), NOW).user_id == "alice"


@pytest.mark.parametrize(
    "claims",
    [
        {"servers": "a"},
        {"servers": {"a": 1}},
        {"servers": ["a b"]},
        {"servers": [None]},
        {"servers": [True]},
        {"servers": [1.5]},
        {"servers": [["a"]]},
        {"servers": [0] * (MAX_SERVERS + 1)},
        {"channelIds": 5},
        {"device": ""},
        {"device": "a b"},
        {"device": True},
        {"admin": "true"},
        {"admin": 1},
        {"admin": None},
    ],
)
def test_a_claim_that_makes_no_sense_refuses_the_token(claims):
    assert refusal(with_claims(**claims)) == "unusable claim"


@pytest.mark.parametrize("claims", [{}, {"admin": False}])
def test_a_token_without_the_admin_claim_makes_no_administrator(claims):
    assert own.verify(with_claims(**claims), NOW).is_admin is False


# What is no token ---------------------------------------------------------------------------


def test_a_token_may_be_as_long_as_the_limit_and_no_longer():
    spare = MAX_TOKEN_BYTES - len(with_claims(pad=""))
    fitting = with_claims(pad="x" * (spare * 3 // 4 - 4))
    assert own.verify(fitting, NOW).user_id == "alice"
    assert refusal(with_claims(pad="x" * spare)) == "too long"


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "x" * 100,
        "\ud800",
        "tøken",
        with_claims() + "\u0661",
        signed([1, 2]),
        signed(b"null"),
        signed(b"{"),
        signed(b'{"sub": "\xff"}'),
        signed(b"[" * 5000),
        signed({"exp": 1}, header=[1]),
        signed({"exp": 1}, header={"alg": "HS256", "kid": 5}),
        signed({"exp": 1}, header={"alg": "HS256", "crit": ["x"]}),
        (encode(b"[" * 5000) + b".e30.e30").decode(),
    ],
)
def test_a_malformed_token_is_refused(token):
    assert refusal(token) in {"malformed", "unusable time"}


@given(st.text(max_size=200))
def test_no_text_is_a_crash(token):
    refusal(token, configured)


@given(
    st.dictionaries(
        st.sampled_from(["alg", "typ", "kid", "crit", "b64", "zip"]),
        st.one_of(st.none(), st.text(max_size=5), st.integers(), st.lists(st.text(max_size=3))),
    )
)
def test_no_header_is_a_crash(header):
    token = signed({"sub": "alice", "exp": NOW + 1}, {"alg": "HS256"} | header)
    try:
        own.verify(token, NOW)
    except TokenRefused as refused:
        assert refused.reason in {"malformed", "wrong algorithm"}  # noqa: PT017


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@given(
    st.dictionaries(
        st.sampled_from(["sub", "uid", "exp", "iat", "nbf", "servers", "device", "name", "admin"]),
        JSON,
    )
)
def test_any_claims_give_a_valid_user_or_a_refusal(claims):
    try:
        accepted = own.verify(with_claims(**claims), NOW)
    except TokenRefused:
        return
    assert isinstance(accepted.user_id, str)
    assert accepted.expires_at > NOW


def test_a_refusal_does_not_quote_the_token():
    token = with_claims(sub="a b")
    with pytest.raises(TokenRefused) as refused:
        own.verify(token, NOW)
    assert token not in str(refused.value)


# Tokens that were opened before -------------------------------------------------------------


def test_a_token_that_was_good_is_refused_once_it_has_expired():
    verifier = TokenVerifier(SECRET)
    token = with_claims(nbf=NOW - 10)
    claims = verifier.verify(token, NOW)
    assert verifier.verify(token, NOW + 59) == claims
    assert refusal(token, verifier, NOW + 60) is TokenProblem.EXPIRED
    assert refusal(token, verifier, NOW - 100) is TokenProblem.NOT_YET_VALID


def test_a_token_that_was_refused_is_looked_at_again():
    verifier = TokenVerifier(SECRET)
    token = with_claims(nbf=NOW + 50)
    assert refusal(token, verifier) is TokenProblem.NOT_YET_VALID
    assert verifier.verify(token, NOW + 30).user_id == "alice"


def test_a_token_opened_before_does_not_open_a_similar_one():
    verifier = TokenVerifier(SECRET)
    token = with_claims()
    verifier.verify(token, NOW)
    assert refusal(token[:-4] + "AAAA", verifier) is TokenProblem.WRONG_SIGNATURE
    assert verifier.verify(with_claims(iss="presence", admin=True), NOW).is_admin


def test_only_the_latest_tokens_are_remembered(monkeypatch):
    monkeypatch.setattr(tokens, "MOST_OPENED", 2)
    verifier = TokenVerifier(SECRET)
    for number in range(5):
        assert verifier.verify(with_claims(sub=f"user{number}"), NOW).user_id == f"user{number}"
    assert verifier.verify(with_claims(sub="user0"), NOW).user_id == "user0"
