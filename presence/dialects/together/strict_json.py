"""JSON as the standard means it: no NaN, no infinity, no lone surrogate, no key twice."""

import re
from typing import Final

import orjson

from presence.errors import InvalidInput

MAX_VALUES: Final = 1024
"""Far more values than any body or frame of ours has, but for long lists of ids."""

# A string without its inner quotes; valid JSON has a quote nowhere else.
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"')


def load_json(source: str | bytes, field: str = "body", *, max_values: int = MAX_VALUES) -> object:
    """Parse one JSON document, or raise `InvalidInput` naming *field*.

    A document that may hold more than *max_values* values is refused before it
    is parsed, by its commas and brackets: a small text of very many values
    takes far longer than a long text. orjson itself refuses what does not fit
    a double, nesting above 1024 and invalid UTF-8, escaped or not. The values
    may still be nested deeper than Python can print or compare: look only at
    those asked for.
    """
    text = source if isinstance(source, bytes) else source.encode(errors="surrogatepass")
    if text.count(b",") + text.count(b"[") + text.count(b"{") > max_values:
        raise InvalidInput(field, "holds too many values")
    try:
        value: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise InvalidInput(field, "is not valid JSON") from None
    if _has_repeated_key(text, value):
        raise InvalidInput(field, "names a key twice")
    return value


def _has_repeated_key(text: bytes, value: object) -> bool:
    # Each key takes one colon; colons in strings only make the first count too high.
    colons = text.count(b":")
    if colons == (len(value) if isinstance(value, dict) else 0):
        return False  # no room for further keys
    keys = _count_keys(value)
    return colons != keys and _STRING.sub("", text.decode()).count(":") != keys


def _count_keys(value: object) -> int:
    # A stack of our own: a recursive walk would end at Python's own limit of depth.
    count, open_values = 0, [value]
    while open_values:
        item = open_values.pop()
        if isinstance(item, dict):
            count += len(item)
            open_values.extend(item.values())
        elif isinstance(item, list):
            open_values.extend(item)
    return count
