"""The text rule: what is kept, cleaned, emptied and refused."""

import sys
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.text import MAX_CODE_POINTS, clean_text, clean_username
from presence.errors import InvalidInput

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
MARK = "\u0315"  # Composes with nothing.

TRICKY = "e\u0301\u0315 \u200b\u200d\ufe0f\u3164\u1100\u1161"
TRICKY += "\U0001f468\u2764\U0001f3f4\U000e0067\U000e007f"
ANYTHING = st.text(st.characters(codec=None), max_size=200) | st.text(TRICKY, max_size=200)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("In a voice call", id="plain"),
        pytest.param("Größe 日本語 مرحبا नमस्ते", id="scripts"),
        pytest.param("x" * 128, id="128 letters"),
        pytest.param("\U0001f600" * 128, id="128 emoji"),
        pytest.param("  spaced  ", id="spaces at the ends"),
        pytest.param(FAMILY, id="joined emoji"),
        pytest.param("\u2764\ufe0f\u200d\U0001f525", id="joined behind a variation selector"),
        pytest.param("\U0001f44d\U0001f3fd\u200d\U0001f642\u200d\u2194\ufe0f", id="skin and arrow"),
        pytest.param(ENGLAND, id="flag of tags"),
        pytest.param("\ue000 \U000f0000", id="private use"),
        pytest.param("\U0001fae8\U0001fa77", id="emoji newer than Python 3.11"),
        pytest.param("e" + MARK * 8, id="eight marks"),
        pytest.param("<script>alert(1)</script>", id="markup is only text"),
        pytest.param("'; DROP TABLE users; --", id="so is SQL"),
    ],
)
def test_a_usable_text_stays_as_it_is(text):
    assert clean_text(text, "activity") == text


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        pytest.param("e\u0301", "\u00e9", id="composed"),
        pytest.param("\u1112\u1161\u11ab", "\ud55c", id="Hangul composed"),
        pytest.param("e\u0301" * 128, "\u00e9" * 128, id="counted after composing"),
        pytest.param("a\u200bb\u200cc\u2060d\ufeffe", "abcde", id="zero-width"),
        pytest.param("e\u034f\u0301", "\u00e9", id="grapheme joiner"),
        pytest.param("soft\u00adhyphen", "softhyphen", id="soft hyphen"),
        pytest.param("\u200b" * 1000 + "x", "x", id="removed before counting"),
        pytest.param("a\u200db", "ab", id="joiner between letters"),
        pytest.param("\U0001f468\u200d", "\U0001f468", id="joiner at the end"),
        pytest.param("\u200d\U0001f468", "\U0001f468", id="joiner at the start"),
        pytest.param("\U0001f468\u200d\u200d\U0001f469", "\U0001f468\U0001f469", id="two joiners"),
        pytest.param("a\ufe0f\u200d\U0001f469", "a\ufe0f\U0001f469", id="joiner behind a letter"),
        pytest.param("\U0001f468\u200b\u200d\U0001f469", "\U0001f468\u200d\U0001f469", id="hole"),
        pytest.param("hi\U000e0068\U000e0069", "hi", id="hidden tags"),
        pytest.param(ENGLAND[:-1], ENGLAND[0], id="unfinished flag"),
    ],
)
def test_a_text_is_brought_into_the_form_that_is_stored(raw, cleaned):
    assert clean_text(raw, "activity") == cleaned


@pytest.mark.parametrize(
    "raw",
    [
        None,
        "",
        "   ",
        "\u00a0\u2003\u3000",
        "\u200b\u200d\ufeff",
        "\u3164",
        "\u115f\u1160",
        "\uffa0",
        "\u2800",
        " \u3164 \u200b\u2800",
        "\ufe0f",
        "\u3164\ufe0f",
        "\U000e0068\U000e0069",
        "\U0001d159",
    ],
)
def test_a_text_without_visible_characters_is_empty(raw):
    assert clean_text(raw, "custom_status") is None


TOO_LONG = "custom_status is longer than 128 characters"
FORBIDDEN = "custom_status holds a character that is not allowed"
TOO_MANY_MARKS = "custom_status has more than 8 marks on one character"
NO_STRING = "custom_status must be a string or null"


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        pytest.param("x" * 129, TOO_LONG, id="129 letters"),
        pytest.param("\U0001f600" * 129, TOO_LONG, id="129 emoji"),
        pytest.param(FAMILY * 32, TOO_LONG, id="224 code points"),
        pytest.param("\u0958" * 65, TOO_LONG, id="grows when composed"),
        pytest.param(" " * 129, TOO_LONG, id="129 blanks"),
        pytest.param("a\nb", FORBIDDEN, id="newline"),
        pytest.param("\t", FORBIDDEN, id="tab"),
        pytest.param("a\x00b", FORBIDDEN, id="null"),
        pytest.param("\x1b[31m", FORBIDDEN, id="escape"),
        pytest.param("\x7f", FORBIDDEN, id="delete"),
        pytest.param("\x85", FORBIDDEN, id="C1"),
        pytest.param("a\ud800b", FORBIDDEN, id="high surrogate"),
        pytest.param("\udfff", FORBIDDEN, id="low surrogate"),
        pytest.param("a\u0378", FORBIDDEN, id="unassigned"),
        pytest.param("a\ufffe", FORBIDDEN, id="noncharacter"),
        pytest.param("a\u2028b", FORBIDDEN, id="line separator"),
        pytest.param("a\u2029b", FORBIDDEN, id="paragraph separator"),
        *(
            pytest.param(f"a{chr(code)}b", FORBIDDEN, id=f"bidi U+{code:04X}")
            for code in [0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
        ),
        pytest.param("e" + MARK * 9, TOO_MANY_MARKS, id="nine marks"),
        pytest.param("e" + MARK * 127, TOO_MANY_MARKS, id="127 marks"),
        pytest.param("e" + f"{MARK}\u200b" * 9, TOO_MANY_MARKS, id="marks around zero-width"),
        pytest.param("a" + "\ufe0f" * 9, TOO_MANY_MARKS, id="bytes hidden in selectors"),
        pytest.param(5, NO_STRING, id="number"),
        pytest.param(True, NO_STRING, id="bool"),
        pytest.param(["a"], NO_STRING, id="list"),
        pytest.param({"a": 1}, NO_STRING, id="object"),
        pytest.param(b"a", NO_STRING, id="bytes"),
    ],
)
def test_an_unusable_text_is_refused_by_name(raw, problem):
    with pytest.raises(InvalidInput) as refusal:
        clean_text(raw, "custom_status")
    assert (str(refusal.value), refusal.value.field) == (problem, "custom_status")


@pytest.mark.parametrize("char", ["x", "\u0301", "\u200b", "\U0001f600", "\n", "e\u0301"])
def test_ten_megabytes_are_refused_without_looking_at_them(char):
    raw = char * (10_000_000 // len(char))
    started_at = time.perf_counter()
    with pytest.raises(InvalidInput, match="longer than 128"):
        clean_text(raw, "activity")
    assert time.perf_counter() - started_at < 0.5


def test_no_code_point_composes_from_more_than_four():
    every = map(chr, range(sys.maxunicode + 1))
    composed = (char for char in every if unicodedata.normalize("NFC", char) == char)
    assert max(len(unicodedata.normalize("NFD", char)) for char in composed) == 4


@given(ANYTHING)
def test_cleaning_twice_changes_nothing_more(raw):
    try:
        cleaned = clean_text(raw, "activity")
    except InvalidInput:
        return
    assert clean_text(cleaned, "activity") == cleaned


@given(ANYTHING)
def test_a_clean_text_is_short_normal_and_fit_for_every_wire(raw):
    try:
        cleaned = clean_text(raw, "activity")
    except InvalidInput:
        return
    if cleaned is not None:
        assert cleaned.encode().decode() == cleaned
        assert unicodedata.is_normalized("NFC", cleaned)
        assert 0 < len(cleaned) <= MAX_CODE_POINTS
        assert not any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in cleaned)


def test_every_single_code_point_is_stable_empty_or_refused():
    for code in [*range(0x20000), *range(0xE0000, 0xE0200)]:
        try:
            cleaned = clean_text(chr(code), "activity")
        except InvalidInput:
            continue
        assert clean_text(cleaned, "activity") == cleaned


@pytest.mark.parametrize("raw", [None, "", " ", "\u3164", "\u200b"])
def test_a_username_must_print_something(raw):
    with pytest.raises(InvalidInput, match=r"^name must not be empty or blank$"):
        clean_username(raw, "name")


def test_a_username_is_cleaned_like_any_text():
    assert clean_username("Zoe\u0301\u200b") == "Zo\u00e9"
    with pytest.raises(InvalidInput, match=r"^username is longer than 128"):
        clean_username("x" * 129)
