"""VoicePing's REST: the pages that are asked for, and users as it tells of them."""

import re
from collections.abc import Mapping
from typing import Any, Final

from presence.core.types import Status, UserId
from presence.core.value import value
from presence.dialects.voiceping.codes import code_of, name_of, wire_id
from presence.errors import InvalidInput

USERS: Final = "/api/v2/users"
MOST_PAGES: Final = 999_999_999
MOST_PER_PAGE: Final = 500
DEFAULT_PER_PAGE: Final = 100

_NUMBER = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


@value
class Page:
    """One page of a list: page *number*, from 1, of *size* users each."""

    number: int = 1
    size: int = DEFAULT_PER_PAGE

    @property
    def first(self) -> int:
        """The number of users before this page."""
        return (self.number - 1) * self.size

    def links(self, *, has_next: bool) -> str:
        """The `Link` header of the answer."""
        links = [self._link(1, "first")]
        if self.number > 1:
            links.append(self._link(self.number - 1, "prev"))
        if has_next:
            links.append(self._link(self.number + 1, "next"))
        return ", ".join(links)

    def _link(self, number: int, relation: str) -> str:
        return f'<{USERS}?page={number}&per_page={self.size}>; rel="{relation}"'


def parse_page(query: Mapping[str, str]) -> Page:
    """Read `?page=` and `?per_page=`, or raise `InvalidInput`; other names are ignored."""
    return Page(
        number=_parse_number(query, "page", Page().number, MOST_PAGES),
        size=_parse_number(query, "per_page", DEFAULT_PER_PAGE, MOST_PER_PAGE),
    )


def _parse_number(query: Mapping[str, str], field: str, default: int, largest: int) -> int:
    raw = query.get(field)
    if raw is None:
        return default
    if not _NUMBER.fullmatch(raw) or int(raw) > largest:
        raise InvalidInput(field, f"must be a number from 1 to {largest}")
    return int(raw)


def user_object(user_id: UserId, username: str, status: Status) -> dict[str, Any]:
    """One entry of the user list; the id is a number where it is all digits."""
    code = code_of(status)
    return {
        "id": wire_id(user_id),
        "username": username,
        "status": name_of(code),
        "statusValue": code,
    }
