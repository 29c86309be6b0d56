"""The addresses of the page `/` and of the browser client `/client.js`."""

from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path
from typing import Final

from presence.transport.http.request import Headers
from presence.transport.http.router import Route
from presence.transport.http.static import TYPES, StaticFile, build_static_file

FILES: Final = Path(__file__).parents[2] / "web"
PAGE: Final = FILES / "page"
CLIENT: Final = FILES / "package"
MODE: Final = 'data-mode="production"'
"""The attribute of the page's root that is replaced in development mode."""
PRELOADS: Final = "<!-- preloads -->"
LAZY: Final = frozenset(
    {"/react.js", "/client/events.js", "/client/requests.js", "/client/shared.js"}
)
"""Modules that a page loads where it needs them."""

POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
PAGE_HEADERS: Final[Headers] = (
    ("content-security-policy", POLICY),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
)


class WebFiles:
    """Serves the page, and the browser client to pages of any origin.

    *pipe_port* is named in the page's examples; None where there is none to name.
    """

    def __init__(self, *, is_development: bool, pipe_port: int | None) -> None:
        self._is_development = is_development
        self._pipe_port = pipe_port

    def routes(self) -> list[Route]:
        page = {f"/page/{name}": file for name, file in _files(PAGE, "*.*")}
        client = {
            f"/{name}": file
            for pattern in ("*.js", "*.ts", "client/*.js")
            for name, file in _files(CLIENT, pattern)
        }
        page["/"] = self._index([*page, *client])
        own = [Route("GET", address, file.answer) for address, file in page.items()]
        return own + [
            Route("GET", address, file.answer, is_public=True) for address, file in client.items()
        ]

    def _index(self, addresses: Iterable[str]) -> StaticFile:
        """The page; it names all its modules, so that a browser asks for them at once."""
        text = (PAGE / "index.html").read_text(encoding="utf-8")
        modules = [each for each in addresses if each.endswith(".js") and each not in LAZY]
        links = (f'<link rel="modulepreload" href="{address}">' for address in modules)
        text = text.replace(PRELOADS, "\n  ".join(links))
        if self._is_development:
            port = escape(str(self._pipe_port or ""), quote=True)
            text = text.replace(MODE, f'data-mode="development" data-pipe-port="{port}"')
        return build_static_file("index.html", text.encode(), PAGE_HEADERS)


def _files(folder: Path, pattern: str) -> Iterator[tuple[str, StaticFile]]:
    for file in sorted(folder.glob(pattern)):
        if file.suffix in TYPES and file.name != "index.html":
            static = build_static_file(file.name, file.read_bytes())
            yield file.relative_to(folder).as_posix(), static
