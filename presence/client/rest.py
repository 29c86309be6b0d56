"""The REST client: one request per call, each answered within a time."""

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import asks
import attrs
import trio
from asks.errors import AsksException

from presence.client.anyio_backend import prepare_backend
from presence.errors import PresenceError

prepare_backend(version("anyio"))

ANSWER_AFTER: Final = 10.0
PAGE: Final = 500


class RequestFailed(PresenceError):
    """The server could not be asked, or said no; the text is a sentence.

    `status` is the HTTP status, None where there was no answer.
    """

    def __init__(self, sentence: str, status: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status


@attrs.frozen
class RestClient:
    """Asks the server at *url* on behalf of the bearer of *token*.

    Every call raises `RequestFailed`, also where no answer came within
    *answer_after* seconds; what was asked for may then have happened or not.
    """

    url: str
    token: str | None = attrs.field(default=None, repr=False)
    answer_after: float = ANSWER_AFTER

    async def get_dev_token(self, user: str) -> str:
        """A token for *user*, from a server in development mode on this machine."""
        try:
            answer = await self._ask("POST", "/auth/dev-token", {"user": user})
        except RequestFailed as failure:
            if failure.status != 404:
                raise
            problem = f"{self.url} is no development server of this machine: it wants a token"
            raise RequestFailed(problem, 404) from failure
        token = answer.get("token")
        if not isinstance(token, str):
            raise RequestFailed(f"{self.url} answered without a token")
        return token

    async def get_me(self) -> dict[str, Any]:
        """The self view."""
        return await self._ask("GET", "/users/@me")

    async def patch_me(self, change: Mapping[str, object]) -> dict[str, Any]:
        """Change one's own presence by the fields of *change*; returns the self view."""
        return await self._ask("PATCH", "/users/@me", change)

    async def get_users(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """The public views of those users of *ids* whom one may see, in that order."""
        answer = await self._ask("POST", "/users/presence", {"ids": list(ids)})
        users = answer.get("users")
        if not isinstance(users, list):
            raise RequestFailed(f"{self.url} answered without users")
        return users

    async def get_members(self, server: str, after: str | None = None) -> list[dict[str, Any]]:
        """At most `PAGE` members of *server* with ids greater than *after*, by id."""
        query = urlencode({"limit": PAGE} | ({} if after is None else {"after": after}))
        answer = await self._ask("GET", f"/servers/{quote(server, safe='')}/members?{query}")
        members = answer.get("members")
        if not isinstance(members, list):
            raise RequestFailed(f"{self.url} answered without members")
        return members

    async def explain_me(self) -> dict[str, Any]:
        """Why one is shown with one's status, and what changes next."""
        return await self._ask("GET", "/users/@me/explain")

    async def explain(self, user: str) -> dict[str, Any]:
        """The same of *user*; for administrators."""
        return await self._ask("GET", f"/users/{quote(user, safe='')}/explain")

    async def _ask(
        self, method: str, path: str, body: Mapping[str, object] | None = None
    ) -> dict[str, Any]:
        try:
            with trio.fail_after(self.answer_after):
                response = await asks.request(
                    method,
                    self.url.rstrip("/") + path,
                    json=None if body is None else dict(body),
                    headers=self._headers(),
                    follow_redirects=False,  # the token is for this server alone
                )
        except trio.TooSlowError as error:
            raise RequestFailed(
                f"{self.url} did not answer within {self.answer_after:g} seconds"
            ) from error
        except OSError as error:
            raise RequestFailed(f"{self.url} cannot be reached: {error}") from error
        except AsksException as error:
            raise RequestFailed(f"{self.url} gave no HTTP answer: {error!r}") from error
        return self._read(response.status_code, response.content)

    def _headers(self) -> dict[str, str]:
        if self.token is None:
            return {}
        if not (self.token.isascii() and self.token.isprintable()):
            raise RequestFailed("the token holds characters that no token has")
        return {"Authorization": f"Bearer {self.token}"}

    def _read(self, status: int, content: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            answer = {}
            if status < 300:
                raise RequestFailed(f"{self.url} did not answer in JSON", status)
        if status >= 300:
            problem = str(answer.get("error", "no reason given"))
            raise RequestFailed(f"{self.url} answered {status}: {problem}", status)
        return answer


def is_web_address(url: str) -> bool:
    """Whether *url* is one that the client can ask."""
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        return False
