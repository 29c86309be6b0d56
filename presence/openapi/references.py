"""The small pieces that paths and components refer to each other by."""

from typing import Any, Final

from presence.core.rule_settings import LONGEST_LEASE, SHORTEST_LEASE

Json = dict[str, Any]

LEASE: Final[Json] = {
    "type": "number",
    "minimum": int(SHORTEST_LEASE),
    "maximum": int(LONGEST_LEASE),
}
"""The length of a lease in seconds."""


def json_answer(code: int, description: str, name: str) -> Json:
    return {
        str(code): {
            "description": description,
            "content": {"application/json": {"schema": schema(name)}},
        }
    }


def content(media_type: str, kind: str = "string") -> Json:
    return {media_type: {"schema": {"type": kind}}}


def with_header(answers: Json, name: str) -> Json:
    headers = {name: {"$ref": f"#/components/headers/{name}"}}
    return {code: {**answer, "headers": headers} for code, answer in answers.items()}


def problem(code: int) -> Json:
    return {"$ref": f"#/components/responses/Problem{code}"}


def schema(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def parameter(name: str) -> Json:
    return {"$ref": f"#/components/parameters/{name}"}
