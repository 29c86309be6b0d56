"""Strict reading of JSON bodies into classes: no unknown key, no conversion, no missing field.

cattrs alone would turn 5 into "5" and "abc" into ["a", "b", "c"], so `register` gives every
field a hook of its own, which names the field in what it raises.
"""

import re
from collections.abc import Callable
from typing import Any, TypeVar

from cattrs import Converter, ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn, override

from presence.dialects.together.strict_json import MAX_VALUES, load_json
from presence.errors import InvalidInput

Hook = Callable[[Any, Any], Any]
"""Reads one field: gets the raw value and its type, returns the value or raises `InvalidInput`."""

T = TypeVar("T")

_PRINTABLE_KEY = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_converter = Converter(detailed_validation=False, forbid_extra_keys=True)


def register(cls: type[Any], **hooks: Hook) -> None:
    """Have `structure` read the fields of *cls* by *hooks*, one for each."""
    overrides: dict[str, Any] = {name: override(struct_hook=hook) for name, hook in hooks.items()}
    read = make_dict_structure_fn(
        cls,
        _converter,
        _cattrs_forbid_extra_keys=True,
        _cattrs_detailed_validation=False,
        **overrides,
    )
    _converter.register_structure_hook(cls, read)


def structure(body: bytes, cls: type[T], max_values: int = MAX_VALUES) -> T:
    """Read *body* as an object of the registered *cls*, or raise `InvalidInput`."""
    raw = load_json(body, max_values=max_values)
    if not isinstance(raw, dict):
        raise InvalidInput("body", "must be a JSON object")
    try:
        return _converter.structure(raw, cls)
    except ForbiddenExtraKeysError as error:
        raise _unknown_key(min(error.extra_fields)) from None
    except KeyError as error:
        raise InvalidInput(str(error.args[0]), "is missing") from None


def as_given(raw: object, _: Any) -> object:
    """The hook of a field that is judged later, together with others."""
    return raw


def read_list(raw: object, field: str, longest: int) -> list[object]:
    """A list of at most *longest* entries, not yet judged; anything else raises `InvalidInput`."""
    if not isinstance(raw, list):
        raise InvalidInput(field, "must be a list")
    if len(raw) > longest:
        raise InvalidInput(field, f"has more than {longest} entries")
    return raw


def _unknown_key(key: str) -> InvalidInput:
    # The name comes from outside and goes into answers and logs.
    if _PRINTABLE_KEY.fullmatch(key):
        return InvalidInput(key, "is not a known key")
    return InvalidInput("body", "has an unknown key")
