"""JSON as the standard means it: no NaN, no infinity, no lone surrogate, no key twice."""

import re

import orjson

from presence.errors import Refused

# A string without its inner quotes; valid JSON has a quote nowhere else.
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"')


def load_json(source: str | bytes, field: str = "body") -> object:
    """Parse one JSON document, or raise `Refused` naming *field*.

    orjson itself refuses what does not fit a double, nesting above 1024 and
    invalid UTF-8, escaped or not. The values may still be nested deeper than
    Python can print or compare: look only at those asked for.
    """
    try:
        value: object = orjson.loads(source)
    except orjson.JSONDecodeError:
        raise Refused(field, "is not valid JSON") from None
    if _has_repeated_key(source, value):
        raise Refused(field, "names a key twice")
    return value


def _has_repeated_key(source: str | bytes, value: object) -> bool:
    # Each key takes one colon; colons in strings only make the first count too high.
    keys = _count_keys(value)
    text = source if isinstance(source, str) else source.decode()
    return text.count(":") != keys and _STRING.sub("", text).count(":") != keys


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
