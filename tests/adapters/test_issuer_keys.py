"""Keys of other issuers: which files are good, and what is said of the others."""

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from presence.adapters.issuer_keys import IssuerKey, read_issuer_keys
from presence.errors import BadConfig

ED = ed25519.Ed25519PrivateKey.generate()
RSA = rsa.generate_private_key(65537, 2048)
SMALL_RSA = rsa.generate_private_key(65537, 1024)


def pem_of(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def private_pem_of(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def entry_of(key, **extra):
    algorithm = {
        rsa.RSAPrivateKey: RSAAlgorithm,
        ed25519.Ed25519PrivateKey: OKPAlgorithm,
        ed448.Ed448PrivateKey: OKPAlgorithm,
        ec.EllipticCurvePrivateKey: ECAlgorithm,
    }
    fitting = next(found for kind, found in algorithm.items() if isinstance(key, kind))
    return fitting.to_jwk(key.public_key(), as_dict=True) | extra


@pytest.fixture
def write(tmp_path):
    def write_key(content):
        file = tmp_path / "key"
        file.write_bytes(content if isinstance(content, bytes) else orjson.dumps(content))
        return file

    return write_key


def test_without_files_there_are_no_keys():
    assert read_issuer_keys(None, None) == []


@pytest.mark.parametrize(("key", "algorithm"), [(ED, "EdDSA"), (RSA, "RS256")])
def test_a_public_key_fixes_its_algorithm(write, key, algorithm):
    assert read_issuer_keys(write(pem_of(key)), None) == [
        IssuerKey(algorithm, None, key.public_key())
    ]


def test_a_jwks_file_gives_the_keys_that_we_verify_with_and_passes_over_others(write):
    document = {
        "keys": [
            entry_of(ED, kid="one"),
            entry_of(RSA, kid="two", use="sig"),
            entry_of(RSA, kid="three", use="enc"),
            entry_of(RSA, kid="four", alg="PS256"),
            entry_of(ec.generate_private_key(ec.SECP256R1())),
            entry_of(ed448.Ed448PrivateKey.generate()),
            {"kty": "oct", "k": "c2VjcmV0"},
            "no key",
        ]
    }
    assert read_issuer_keys(None, write(document)) == [
        IssuerKey("EdDSA", "one", ED.public_key()),
        IssuerKey("RS256", "two", RSA.public_key()),
    ]


def test_both_settings_add_up(write, tmp_path):
    jwks = tmp_path / "jwks"
    jwks.write_bytes(orjson.dumps({"keys": [entry_of(RSA)]}))
    keys = read_issuer_keys(write(pem_of(ED)), jwks)
    assert [key.algorithm for key in keys] == ["EdDSA", "RS256"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "holds no public key in PEM form"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "holds no public key"),
        (private_pem_of(RSA), "holds a private key"),
        (private_pem_of(ED), "holds a private key"),
        (pem_of(SMALL_RSA), "must be Ed25519, or RSA of at least 2048 bits"),
        (pem_of(ec.generate_private_key(ec.SECP256R1())), "must be Ed25519, or RSA"),
    ],
)
def test_a_public_key_that_we_cannot_use_is_refused(write, content, complaint):
    with pytest.raises(BadConfig, match=f"^token_public_key: .*{complaint}"):
        read_issuer_keys(write(content), None)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"{", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        ([], 'has no list "keys"'),
        ({"keys": {}}, 'has no list "keys"'),
        ({"keys": []}, "holds no key for RS256 or EdDSA"),
        ({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}, "holds no key for RS256 or EdDSA"),
        ({"keys": [entry_of(SMALL_RSA)]}, "must be Ed25519, or RSA of at least 2048 bits"),
        ({"keys": [{"kty": "RSA", "n": 5, "e": "AQAB"}]}, "holds a damaged key"),
        ({"keys": [{"kty": "RSA"}]}, "holds a damaged key"),
        ({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AA"}]}, "holds a damaged key"),
        ({"keys": [RSAAlgorithm.to_jwk(RSA, as_dict=True)]}, "holds a private key"),
    ],
)
def test_a_jwks_file_that_we_cannot_use_is_refused(write, content, complaint):
    with pytest.raises(BadConfig, match=f"^token_jwks: .*{complaint}"):
        read_issuer_keys(None, write(content))


def test_a_missing_file_is_named_with_its_setting(tmp_path):
    with pytest.raises(BadConfig, match=r"^token_jwks: .*nowhere cannot be read: No such file"):
        read_issuer_keys(None, tmp_path / "nowhere")
