"""WebSocket frames as a client writes and reads them, without extensions."""

import struct
from collections.abc import Mapping
from typing import Final

import attrs

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
_FINAL: Final = 0x80
_MASKED: Final = 0x80
_MASK: Final = bytes((0x37, 0xFA, 0x21, 0x3D))
_KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="
NO_HEADERS: Final[Mapping[str, str]] = {}


@attrs.frozen
class Frame:
    """One frame of the server; *size* is its length on the wire."""

    opcode: int
    payload: bytes
    is_final: bool
    size: int


def find_frame(unread: bytes) -> Frame | None:
    """The frame with which *unread* begins; None until all of it is there."""
    if len(unread) < 2:
        return None
    head, length = 2, unread[1]
    if length > 125:
        head = 4 if length == 126 else 10
        length = int.from_bytes(unread[2:head])
    if len(unread) < max(head, head + length):
        return None
    payload = unread[head : head + length]
    return Frame(unread[0] & 15, payload, bool(unread[0] & _FINAL), head + length)


def masked_frame(opcode: int, payload: bytes) -> bytes:
    """A frame of the client, whole; payloads of up to 65535 bytes."""
    size = len(payload)
    head = bytes((_FINAL | opcode, _MASKED | min(size, 126)))
    head += struct.pack("!H", size) if size > 125 else b""
    return head + _MASK + bytes(byte ^ _MASK[place & 3] for place, byte in enumerate(payload))


def upgrade_request(path: str, port: int, headers: Mapping[str, str] = NO_HEADERS) -> bytes:
    """The request that asks the server on *port* of this machine for a WebSocket at *path*."""
    more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {_KEY}\r\n"
        f"Sec-WebSocket-Version: 13\r\n{more}\r\n"
    ).encode()
