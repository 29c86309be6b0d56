"""Whole WebSocket frames from server to client: final, unmasked, not compressed."""

TEXT = 0x81
BINARY = 0x82
CLOSE = 0x88
PING = 0x89

MAX_CONTROL_BYTES = 125


def text_frame(payload: bytes) -> bytes:
    """Frame *payload*, which is UTF-8."""
    return _frame(TEXT, payload)


def binary_frame(payload: bytes) -> bytes:
    return _frame(BINARY, payload)


def ping_frame(payload: bytes = b"") -> bytes:
    """Frame at most 125 bytes; a peer's pong repeats them."""
    if len(payload) > MAX_CONTROL_BYTES:
        raise ValueError("a ping carries at most 125 bytes")
    return _frame(PING, payload)


def close_frame(code: int, reason: str = "") -> bytes:
    """Frame a close; a long *reason* is cut at a character."""
    text = reason.encode()[: MAX_CONTROL_BYTES - 2].decode(errors="ignore")
    return _frame(CLOSE, code.to_bytes(2, "big") + text.encode())


def frame_head(opcode: int, size: int) -> bytes:
    """Return the bytes before a payload of *size*, for payloads that are sent in parts."""
    if size < 126:
        return bytes((opcode, size))
    if size < 65_536:
        return bytes((opcode, 126)) + size.to_bytes(2, "big")
    return bytes((opcode, 127)) + size.to_bytes(8, "big")


def _frame(opcode: int, payload: bytes) -> bytes:
    return frame_head(opcode, len(payload)) + payload
