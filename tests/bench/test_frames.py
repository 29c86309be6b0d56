"""Frames of a WebSocket: found whole or not at all, wherever the bytes are cut."""

import pytest

from bench.frames import PING, TEXT, find_frame, masked_frame


def server_frame(opcode, payload, *, is_final=True):
    size = len(payload)
    if size < 126:
        length = bytes([size])
    elif size < 1 << 16:
        length = bytes([126]) + size.to_bytes(2)
    else:
        length = bytes([127]) + size.to_bytes(8)
    return bytes([opcode | 0x80 * is_final]) + length + payload


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
def test_a_frame_is_found_once_its_last_byte_is_there(size):
    frame = server_frame(TEXT, b"x" * size, is_final=False)
    assert all(find_frame(frame[:cut]) is None for cut in (0, 1, 2, len(frame) - 1)[: size + 2])
    found = find_frame(frame + server_frame(PING, b"next"))
    assert (found.opcode, found.payload, found.is_final) == (TEXT, b"x" * size, False)
    assert found.size == len(frame)


@pytest.mark.parametrize("size", [0, 125, 126, 1000])
def test_what_a_client_sends_is_masked(size):
    payload = bytes(place % 251 for place in range(size))
    frame = masked_frame(TEXT, payload)
    mask, masked = frame[-size - 4 : len(frame) - size], frame[len(frame) - size :]
    assert frame[1] & 0x80
    assert bytes(byte ^ mask[place % 4] for place, byte in enumerate(masked)) == payload
