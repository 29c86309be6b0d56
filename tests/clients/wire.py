"""The bytes of a WebSocket as a client writes and reads them; none of our code is used."""

import struct

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FINAL = 0x80
KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # always the same, so that answers can be compared
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""The value of SO_LINGER with which closing a socket resets its connection."""


def upgrade_request(target="/ws", *headers):
    """The request that asks for a WebSocket; *headers* are whole lines."""
    lines = [
        f"GET {target} HTTP/1.1",
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: keep-alive, Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {KEY}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def masked_frame(first, payload=b"", mask=b"\x01\x02\x03\x04"):
    """A client's frame; *first* is the byte with FIN and opcode."""
    size = len(payload)
    if size < 126:
        head = bytes((first, 0x80 | size))
    elif size < 1 << 16:
        head = struct.pack("!BBH", first, 0xFE, size)
    else:
        head = struct.pack("!BBQ", first, 0xFF, size)
    return head + mask + bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload))


def parse_frame(data, start=0):
    """Read a server's frame: (first byte, payload, where it ends); None if a part is missing."""
    if len(data) < start + 2:
        return None
    size, position = data[start + 1], start + 2
    if size >= 126:
        position += 2 if size == 126 else 8
        size = int.from_bytes(data[start + 2 : position], "big")
    if len(data) < position + size:
        return None
    return data[start], bytes(data[position : position + size]), position + size
