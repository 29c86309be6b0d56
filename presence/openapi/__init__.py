"""The OpenAPI 3.1 document of the REST addresses, kept by hand."""

from presence.openapi.components import build_components
from presence.openapi.paths import build_paths
from presence.openapi.references import Json


def openapi_document(version: str) -> Json:
    """The whole document, a fresh one at each call; *version* is that of the package."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Presence",
            "version": version,
            "summary": "Who is online, away, busy or gone.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "security": [{"token": []}],
        "tags": [
            {"name": "presence", "description": "For users, about themselves and co-members."},
            {"name": "administration", "description": "For administrators only."},
            {"name": "matrix", "description": "For clients of the Matrix protocol."},
            {"name": "operation", "description": "For those who run the server."},
        ],
        "paths": build_paths(),
        "components": build_components(),
    }
