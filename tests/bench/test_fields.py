"""The five fields as our load writes and reads them: as the server does, and nothing else."""

import pytest

from bench.fields import BUSY, ONLINE, Fields, number_of, read_fields, write_fields
from presence.dialects.voiceping.message_pack import decode_array, encode_array
from presence.dialects.voiceping.outbound import connection_ack, login_duplicated, status_frame
from presence.dialects.voiceping.text import decode_text, encode_text

LARGEST = 2**53 - 1


@pytest.mark.parametrize("user", [1, 127, 128, 70_000, 1_000_999])
def test_the_server_reads_what_the_load_says(user):
    text = write_fields("texts", Fields(5, user, BUSY))
    assert write_fields("lines", Fields(5, user, BUSY)) == text + b"\n"
    assert decode_text(text.decode()) == status_frame(str(user), str(BUSY))
    array = write_fields("arrays", Fields(5, user, BUSY))
    assert decode_array(array) == status_frame(str(user), BUSY)
    assert decode_array(write_fields("arrays", Fields(25, user, 0))).channel_type == 1


@pytest.mark.parametrize(
    ("frame", "fields"),
    [
        (status_frame("1", BUSY), Fields(5, 1, BUSY)),
        (status_frame(str(LARGEST), ONLINE), Fields(5, LARGEST, ONLINE)),
        (connection_ack("300", 0), Fields(26, 0, 0)),
        (login_duplicated("7"), None),
    ],
)
def test_the_load_reads_what_the_server_says(frame, fields):
    assert read_fields("lines", encode_text(frame)) == fields
    assert read_fields("arrays", encode_array(frame)) == fields


@pytest.mark.parametrize(
    "message", [b"", b"|0|5|1|0|", b"|0|5|1|0|2|\r", b"0|5|1|0|2", b"|0|5||0|2|"]
)
def test_a_text_that_is_not_whole_makes_no_sense(message):
    assert read_fields("texts", message) is None


@pytest.mark.parametrize("cut", range(6))
def test_an_array_that_is_not_whole_makes_no_sense(cut):
    assert read_fields("arrays", bytes((0x95, 0, 5, 1, 0, 2))[:cut]) is None


@pytest.mark.parametrize(
    ("code", "seen", "newest", "number"),
    [
        pytest.param(BUSY, 0, 1, 1, id="the first"),
        pytest.param(ONLINE, 1, 2, 2, id="the next"),
        pytest.param(BUSY, 1, 1, 1, id="the last again"),
        pytest.param(BUSY, 2, 2, 1, id="the one before the last again"),
        pytest.param(ONLINE, 0, 0, 0, id="as it was before the first"),
        pytest.param(BUSY, 0, 0, None, id="nothing was sent"),
        pytest.param(0, 2, 3, None, id="offline"),
        pytest.param(3, 2, 3, None, id="no code"),
    ],
)
def test_codes_alternate_so_a_code_tells_which_update_it_is(code, seen, newest, number):
    assert number_of(code, seen=seen, newest=newest) == number
