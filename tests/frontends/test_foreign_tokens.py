"""A server that lets in tokens of an identity provider beside its own."""

import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PROVIDER = ed25519.Ed25519PrivateKey.generate()
OURS = {"iss": "https://id.example.org", "aud": ["wiki", "chat"]}


@pytest.fixture
async def server(start_server, tmp_path):
    """Lets in the provider's tokens for "chat"; its "boss" makes an administrator."""
    key = tmp_path / "provider.pem"
    key.write_bytes(
        PROVIDER.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    return await start_server(
        token_public_key=key,
        token_audience="chat",
        token_issuer="https://id.example.org",
        token_admin_claim="boss",
    )


def signed(**claims):
    return jwt.encode({"sub": "bob", "exp": time.time() + 60} | claims, PROVIDER, "EdDSA")


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        (OURS | {"aud": "wiki"}, "wrong audience"),
        (OURS | {"iss": "https://other.example.org"}, "wrong issuer"),
    ],
)
async def test_a_token_for_something_else_lets_nobody_in(server, claims, reason):
    answer = await server.request("GET", "/users/@me", token=signed(**claims))
    assert (answer.status, answer.error) == (401, f"the token is refused: {reason}")
    assert server.counted("presence_tokens_refused", reason=reason) == 1


@pytest.mark.parametrize(("claims", "status"), [({"admin": True}, 403), ({"boss": True}, 200)])
async def test_the_provider_makes_administrators_by_the_configured_claim(server, claims, status):
    token = signed(**OURS, **claims)
    assert (await server.request("GET", "/users/@me", token=token)).status == 200
    assert (await server.request("GET", "/servers", token=token)).status == status


async def test_our_own_administrators_stay(server):
    assert (await server.request("GET", "/servers", token=server.admin())).status == 200
