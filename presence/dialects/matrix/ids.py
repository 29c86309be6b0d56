"""User ids as Matrix writes them: `@name:server`.

The name is the id. Characters that Matrix does not allow there, and `=`
itself, are written `=xx`, their code in lower-case hexadecimal digits.
"""

import re

from presence.core.ids import parse_user_id
from presence.core.types import UserId
from presence.errors import InvalidInput

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-+")
_CODE = re.compile(r"=([0-9a-f]{2})", re.ASCII)


def matrix_user_id(user_id: UserId, server_name: str) -> str:
    """The id of the user as its clients know it."""
    name = "".join(each if each in _PLAIN else f"={ord(each):02x}" for each in user_id)
    return f"@{name}:{server_name}"


def parse_matrix_user_id(raw: str, server_name: str, field: str = "userId") -> UserId:
    """The user of a Matrix id; raises `InvalidInput` for what `matrix_user_id` never writes."""
    name, colon, server = raw.partition(":")
    if not name.startswith("@") or not colon or server != server_name:
        raise InvalidInput(field, f"must be @name:{server_name}")
    decoded = _CODE.sub(lambda found: chr(int(found[1], 16)), name[1:])
    user_id = parse_user_id(decoded, field)
    if matrix_user_id(user_id, server_name) != raw:
        raise InvalidInput(field, "is not written as this server writes it")
    return user_id


def parse_login_user(raw: str, server_name: str) -> UserId:
    """The user whom a login names, by its whole id or by its name alone."""
    whole = raw if raw.startswith("@") else f"@{raw}:{server_name}"
    return parse_matrix_user_id(whole, server_name, "user")
