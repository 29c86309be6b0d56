"""JSON without the oddities that Python or orjson let through."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.dialects.together.strict_json import load_json
from presence.errors import InvalidInput


@pytest.mark.parametrize(
    "source",
    [
        '{"a":1,"a":1}',
        '{"a":1,"\\u0061":2}',
        '[{"a":{"b":1,"c":[],"b":2}}]',
        '{"a:b":":","c":{},"c":"::"}',
        '{"":0,"":0}',
        '{"\\\\":1,"\\\\":":\\""}',
    ],
)
@pytest.mark.parametrize("encode", [str, str.encode])
def test_a_key_may_not_come_twice(source, encode):
    with pytest.raises(InvalidInput, match=r"^frame names a key twice$"):
        load_json(encode(source), "frame")


@pytest.mark.parametrize("source", ['{"a":{"a":{"a":1}}}', '[{"a":1},{"a":1}]', '{"a":"a:a:a:"}'])
def test_the_same_key_in_another_object_is_another_key(source):
    assert load_json(source) == json.loads(source)


@pytest.mark.parametrize(
    "source",
    ["NaN", "-Infinity", "1e999", "9" * 5000, r'"\ud800"', '"\ud800"', "01", "", "[" * 1024, "[1"],
)
def test_invalid_json_is_refused(source):
    with pytest.raises(InvalidInput, match=r"^body is not valid JSON$"):
        load_json(source)


def test_bytes_that_are_no_utf_8_are_refused():
    with pytest.raises(InvalidInput, match=r"^body is not valid JSON$"):
        load_json(b'"\xff"')


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text() | st.text(':"\\,{}'),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.text(':"\\'), inner),
    max_leaves=10,
)


@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_every_value_without_repeated_keys_is_read(value, is_ascii, indent):
    text = json.dumps(value, ensure_ascii=is_ascii, indent=indent)
    assert load_json(text) == load_json(text.encode()) == value


@given(st.dictionaries(st.text(max_size=3), VALUES, min_size=1), st.data())
def test_every_repeated_key_is_found(fields, data):
    key = data.draw(st.sampled_from(sorted(fields)))
    text = json.dumps(fields)[:-1] + f", {json.dumps(key)}: {json.dumps(fields[key])}}}"
    with pytest.raises(InvalidInput, match=r"names a key twice$"):
        load_json(text)


@pytest.mark.parametrize("piece", ["[],", "{},", '"",', "1,", '"a":1,'])
def test_a_text_of_very_many_values_is_refused_unparsed(piece):
    fits = "[" + "1," * 1022 + "1]"
    assert load_json(fits) == [1] * 1023
    with pytest.raises(InvalidInput, match=r"^body holds too many values$"):
        load_json("[" + piece * 1024)
    assert load_json(fits.replace("]", ",1]"), max_values=2000) == [1] * 1024


def test_long_texts_are_no_values():
    assert load_json('{"a":"' + "x" * 60_000 + '"}') == {"a": "x" * 60_000}
