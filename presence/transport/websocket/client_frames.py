"""Frames from client to server, as bytes. Pure."""

FINAL = 0x80
MASKED = 0x80
WHOLE_TEXT = FINAL | 0x1


def read_whole_text(data: bytes) -> str | None:
    """The text, if *data* is one text frame of a client that nothing is odd about; else None."""
    if len(data) < 6 or data[0] != WHOLE_TEXT or not data[1] & MASKED:
        return None
    start, length = measure_frame(data, 0)
    is_minimal = start == 6 or (start == 8 and length > 125)
    if not is_minimal or start + length != len(data):
        return None
    try:
        return unmask(data[start:], data[start - 4 : start]).decode()
    except UnicodeDecodeError:
        return None


def measure_frame(data: bytes, start: int) -> tuple[int, int]:
    """Return where the header ends and the declared length; -1 while it is not all there."""
    second = data[start + 1]
    length = second & 0x7F
    header_end = start + 2
    if length == 126:
        header_end = start + 4
        length = int.from_bytes(data[start + 2 : header_end], "big")
    elif length == 127:
        header_end = start + 10
        length = int.from_bytes(data[start + 2 : header_end], "big")
    if header_end > len(data):
        return header_end, -1
    return (header_end + 4 if second & MASKED else header_end), length


def unmask(payload: bytes, mask: bytes) -> bytes:
    """The payload as it was; without a mask, as it is."""
    if not mask:
        return payload
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
