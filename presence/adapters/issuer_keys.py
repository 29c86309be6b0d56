"""Public keys of applications that sign their own tokens, read from files at the start."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import attrs
import jwt
import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from presence.errors import BadConfig

_LEAST_RSA_BITS: Final = 2048


@attrs.frozen
class IssuerKey:
    """A key, its `kid` in a JWKS file, and the one algorithm that it is good for."""

    algorithm: str
    id: str | None
    key: RSAPublicKey | Ed25519PublicKey | bytes = attrs.field(repr=False)


def read_issuer_keys(public_key: Path | None, jwks: Path | None) -> list[IssuerKey]:
    """Read the keys of the settings `token_public_key` and `token_jwks`.

    Raises `BadConfig` where a file gives no key that we can use.
    """
    keys: list[IssuerKey] = []
    if public_key is not None:
        keys.append(_read_public_key(public_key))
    if jwks is not None:
        keys += _read_jwks(jwks)
    return keys


def _read_public_key(file: Path) -> IssuerKey:
    pem = _read(file, "token_public_key")
    if b"PRIVATE KEY" in pem:
        raise BadConfig(f"token_public_key: {file} holds a private key; it belongs to the issuer")
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadConfig(f"token_public_key: {file} holds no public key in PEM form") from error
    return _wrap(key, None, f"token_public_key: {file}")


def _read_jwks(file: Path) -> list[IssuerKey]:
    where = f"token_jwks: {file}"
    try:
        document = orjson.loads(_read(file, "token_jwks"))
    except orjson.JSONDecodeError as error:
        raise BadConfig(f"{where} is not JSON: {error}") from error
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise BadConfig(f'{where} has no list "keys"')
    keys = [_read_entry(entry, where) for entry in entries if _is_usable(entry)]
    if not keys:
        raise BadConfig(f"{where} holds no key for RS256 or EdDSA (Ed25519)")
    return keys


def _is_usable(entry: object) -> bool:
    """Whether *entry* is meant for signatures of a kind that we verify; others are passed over."""
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
        return False
    kind = (entry.get("kty"), entry.get("crv"))
    return (kind == ("RSA", None) and entry.get("alg", "RS256") == "RS256") or (
        kind == ("OKP", "Ed25519") and entry.get("alg", "EdDSA") == "EdDSA"
    )


def _read_entry(entry: Mapping[str, object], where: str) -> IssuerKey:
    if "d" in entry:
        raise BadConfig(f"{where} holds a private key; it belongs to the issuer")
    algorithm = "RS256" if entry["kty"] == "RSA" else "EdDSA"
    key_id = entry.get("kid")
    try:
        key = jwt.PyJWK(dict(entry), algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise BadConfig(f"{where} holds a damaged key: {error}") from error
    return _wrap(key, key_id if isinstance(key_id, str) else None, where)


def _wrap(key: object, key_id: str | None, where: str) -> IssuerKey:
    if isinstance(key, Ed25519PublicKey):
        return IssuerKey("EdDSA", key_id, key)
    if isinstance(key, RSAPublicKey) and key.key_size >= _LEAST_RSA_BITS:
        return IssuerKey("RS256", key_id, key)
    raise BadConfig(f"{where} must be Ed25519, or RSA of at least {_LEAST_RSA_BITS} bits")


def _read(file: Path, setting: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BadConfig(f"{setting}: {file} cannot be read: {error.strerror}") from error
