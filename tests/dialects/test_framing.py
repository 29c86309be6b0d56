"""What is put around a payload, once and twice."""

import pytest

from presence.dialects.framing import Framing

LENGTHS = Framing(lambda size: b"%d:" % size)
BRACES = Framing(lambda size: b"{", b"}")


@pytest.mark.parametrize(
    ("framing", "frame"),
    [
        pytest.param(LENGTHS, b"3:abc", id="head"),
        pytest.param(BRACES, b"{abc}", id="head and tail"),
        pytest.param(BRACES.within(LENGTHS), b"5:{abc}", id="the outer one counts the inner"),
        pytest.param(LENGTHS.within(BRACES), b"{3:abc}", id="the inner one counts the payload"),
        pytest.param(BRACES.within(BRACES), b"{{abc}}", id="two tails"),
    ],
)
def test_a_frame_is_the_same_whether_its_payload_comes_whole_or_in_parts(framing, frame):
    parts = [b"a", b"bc"]
    framed = framing.frame_chunks(parts)
    assert framing.frame(b"abc") == b"".join(framed) == frame
    assert all(any(part is chunk for chunk in framed) for part in parts)
