"""Which texts are usable: custom status, activity, username.

Beyond docs/model.md this module decides:

- *Removed as zero-width*: U+200B, U+200C, U+2060, U+FEFF and the other
  characters that never print and never join (soft hyphen, grapheme joiner,
  invisible operators, Mongolian and Khmer fillers, tags). Tags stay inside a
  flag, U+200D stays between two emoji.
- *Kept*: private use characters; variation selectors, which count as
  combining marks; spaces at either end.
- *Assigned* means known to this Python, except in the blocks of emoji: an
  emoji that is newer than the interpreter is no attack.
"""

import re
import unicodedata
from typing import Final

from presence.core.types import Text
from presence.errors import InvalidInput

MAX_CODE_POINTS: Final = 128
MAX_COMBINING_MARKS: Final = 8

_MAX_RAW = 16_384  # The most that a gateway frame can hold: longer texts are refused unread.
_MAX_BEFORE_NFC = 4 * MAX_CODE_POINTS  # NFC makes at best one code point of four.

_TAGS = "\U000e0000-\U000e007f"
_FLAG = "\U0001f3f4[\U000e0020-\U000e007e]{1,6}\U000e007f"
_ZERO_WIDTH = (
    "\u00ad\u034f\u17b4\u17b5\u180b-\u180f\u200b\u200c\u2060-\u2064\u206a-\u206f\ufeff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a" + _TAGS
)
_FLAG_OR_ZERO_WIDTH = re.compile(f"({_FLAG})|[{_ZERO_WIDTH}]+")

_EMOJI = "[\u2190-\u21ff\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff]"
_LONE_JOINER = re.compile(f"(?<!{_EMOJI})(?<!{_EMOJI}\ufe0f)\u200d|\u200d(?!{_EMOJI})")
_EMOJI_BLOCKS = range(0x1F300, 0x1FB00)

_FORBIDDEN = frozenset({"Cc", "Cs", "Cn", "Zl", "Zp"})
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

_BLANK = re.compile(
    "[\\s\u115f\u1160\u2800\u3164\uffa0\U0001d159\ufe00-\ufe0f\U000e0100-\U000e01ef]*"
)


def clean_text(raw: object, field: str) -> Text | None:
    """The text in the form that is stored and sent, None where nothing would print.

    Raises `InvalidInput` naming *field* for what is no usable text. None stays
    None, and cleaning twice changes nothing more.
    """
    if raw is None:
        return None
    if not isinstance(raw, str):
        raise InvalidInput(field, "must be a string or null")
    if len(raw) > _MAX_RAW:
        raise _too_long(field)
    if raw.isascii() and raw.isprintable():
        text = raw  # Nothing to remove, nothing to normalise.
    else:
        text = _normalise(_without_zero_width(raw), field)
    if len(text) > MAX_CODE_POINTS:
        raise _too_long(field)
    return None if _BLANK.fullmatch(text) else Text(text)


def clean_username(raw: object, field: str = "username") -> str:
    """As `clean_text`, but null and what would print nothing are refused too."""
    name = clean_text(raw, field)
    if name is None:
        raise InvalidInput(field, "must not be empty or blank")
    return name


def _without_zero_width(raw: str) -> str:
    text = _FLAG_OR_ZERO_WIDTH.sub(r"\1", raw)
    return _LONE_JOINER.sub("", text) if "\u200d" in text else text


def _normalise(text: str, field: str) -> str:
    if len(text) > _MAX_BEFORE_NFC:
        raise _too_long(field)
    if any(_is_forbidden(char) for char in text):
        raise InvalidInput(field, "holds a character that is not allowed")
    composed = unicodedata.normalize("NFC", text)
    if _longest_run_of_marks(composed) > MAX_COMBINING_MARKS:
        raise InvalidInput(field, f"has more than {MAX_COMBINING_MARKS} marks on one character")
    return composed


def _is_forbidden(char: str) -> bool:
    category = unicodedata.category(char)
    if category == "Cn" and ord(char) in _EMOJI_BLOCKS:
        return False
    return category in _FORBIDDEN or char in _BIDI


def _longest_run_of_marks(text: str) -> int:
    run = longest = 0
    for char in text:
        run = run + 1 if unicodedata.category(char).startswith("M") else 0
        longest = max(longest, run)
    return longest


def _too_long(field: str) -> InvalidInput:
    return InvalidInput(field, f"is longer than {MAX_CODE_POINTS} characters")
