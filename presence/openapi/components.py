"""The schemas, headers and errors that several addresses share."""

from presence.openapi.matrix import (
    build_matrix_parameters,
    build_matrix_schemas,
    matrix_problem,
)
from presence.openapi.references import LEASE, Json, json_answer, schema

_ID_PATTERN = r"^[A-Za-z0-9._~@+=-]{1,128}$"

PROBLEMS = {
    400: "The request makes no sense; the text names the field. Nothing was applied.",
    401: "No valid token.",
    403: "The token, the origin or the peer may not do this.",
    404: "It does not exist, or the caller may not see it: the same answer for both.",
    405: "The address does not know this method.",
    408: "The body took too long.",
    409: "An activity without a status, while no device is attached. Nothing was applied.",
    413: "The body is too large.",
    415: "The body is encoded in a way that is not taken.",
    426: "The address takes WebSockets only.",
    429: "Over a limit. Nothing was applied.",
    503: "The server is draining or the database cannot answer.",
}


def build_components() -> Json:
    return {
        "securitySchemes": {"token": _security_scheme()},
        "schemas": _schemas(),
        "parameters": _parameters(),
        "headers": _headers(),
        "responses": _problem_responses(),
    }


def _security_scheme() -> Json:
    return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


def _problem_responses() -> Json:
    responses = {}
    for code, description in PROBLEMS.items():
        response = json_answer(code, description, "Error")[str(code)]
        if code in {429, 503}:
            response["headers"] = {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}
        responses[f"Problem{code}"] = response
    responses["MatrixProblem"] = matrix_problem()
    return responses


def _headers() -> Json:
    return {
        "Retry-After": {
            "description": "Seconds after which to try again.",
            "schema": {"type": "integer", "minimum": 1},
        },
        "Presence-Persisted": {
            "description": "`false` where the change was not stored within a second; else absent.",
            "schema": {"type": "string", "enum": ["false"]},
        },
        "Link": {
            "description": (
                'The next page, as `<...>; rel="next"`; none on the last one. '
                "VoicePing names the pages `first` and `prev` besides."
            ),
            "schema": {"type": "string"},
        },
    }


def _parameters() -> Json:
    return {
        "user_id": _in_path("user_id", "UserId"),
        "server_id": _in_path("server_id", "ServerId"),
        "limit": {
            "name": "limit",
            "in": "query",
            "description": "At most so many members.",
            "schema": {"type": "integer", "minimum": 1, "maximum": 500, "default": 100},
        },
        "after": {
            "name": "after",
            "in": "query",
            "description": "Only members with a greater user id than this.",
            "schema": schema("UserId"),
        },
        "page": {
            "name": "page",
            "in": "query",
            "description": "Which page, from 1; one beyond the end is empty.",
            "schema": {"type": "integer", "minimum": 1, "maximum": 999_999_999, "default": 1},
        },
        "per_page": {
            "name": "per_page",
            "in": "query",
            "description": "At most so many users.",
            "schema": {"type": "integer", "minimum": 1, "maximum": 500, "default": 100},
        },
        "token": {
            "name": "token",
            "in": "query",
            "description": "The token, for pages, which can send no header with it.",
            "schema": {"type": "string"},
        },
        "wish": {
            "name": "status",
            "in": "query",
            "description": "An intent; it counts only where no device of the user is attached.",
            "schema": schema("Status"),
        },
        **build_matrix_parameters(),
    }


def _in_path(name: str, kind: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": schema(kind)}


def _schemas() -> Json:
    return {
        **_value_schemas(),
        **_answer_schemas(),
        **_body_schemas(),
        **build_matrix_schemas(),
    }


def _value_schemas() -> Json:
    return {
        "UserId": {
            "type": "string",
            "pattern": _ID_PATTERN,
            "not": {"enum": ["0", "@me", ".", "..", "presence"]},
            "description": "One of digits only is canonical (`7`, never `07`), at most 2^53-1.",
        },
        "ServerId": {
            "type": "string",
            "pattern": _ID_PATTERN,
            "not": {"enum": [".", ".."]},
        },
        "Status": {"type": "string", "enum": ["online", "away", "dnd", "offline"]},
        "Text": {
            "type": ["string", "null"],
            "maxLength": 128,
            "description": (
                "At most 128 code points, counted in NFC without zero-width characters; "
                "no control characters, at most 8 combining marks in a row. "
                "null, empty or blank: none."
            ),
        },
        "Name": {"type": "string", "maxLength": 128, "description": "A text that is not blank."},
        "Time": {"type": ["string", "null"], "format": "date-time", "description": "In UTC."},
        "End": {
            "description": "Seconds from now or an RFC 3339 time, at most 365 days ahead.",
            "oneOf": [
                {"type": "number", "exclusiveMinimum": 0, "maximum": 31_536_000},
                {"type": "string", "format": "date-time"},
                {"type": "null"},
            ],
        },
        "VoicePingId": {
            "description": "A user id; a number where it is all digits.",
            "oneOf": [
                {"type": "integer", "minimum": 1, "maximum": 2**53 - 1},
                {"allOf": [schema("UserId"), {"not": {"pattern": "^[0-9]+$"}}]},
            ],
        },
        "Version": {
            "type": "integer",
            "minimum": 0,
            "description": "Grows with each change of what others see; ignore what is not newer.",
        },
    }


def _answer_schemas() -> Json:
    view = {
        "username": {"type": "string"},
        "status": schema("Status"),
        "custom_status": schema("Text"),
        "activity": schema("Text"),
    }
    public = {**view, "version": schema("Version")}
    return {
        "SelfView": _object(
            {
                "id": schema("UserId"),
                **view,
                "intent": schema("Status"),
                "until": schema("Time"),
                "appear_offline": {"type": "boolean"},
                "custom_status_until": schema("Time"),
                "lease_until": {
                    "allOf": [schema("Time")],
                    "description": (
                        "Until when a lease holds the user, whose last device may be gone by "
                        "then; null: no lease. Any PATCH renews it."
                    ),
                },
            }
        ),
        "User": _object({"id": schema("UserId"), **public, "last_seen": schema("Time")}),
        "Member": _object({"user_id": schema("UserId"), **public}),
        "Server": _object({"id": schema("ServerId"), "name": {"type": "string"}}),
        "Users": _object({"users": _array("User")}),
        "Members": _object({"members": _array("Member")}),
        "Servers": _object({"servers": _array("Server")}),
        "VoicePingUser": _object(
            {
                "id": schema("VoicePingId"),
                "username": {"type": "string"},
                "status": {"type": "string", "enum": ["offline", "online", "busy"]},
                "statusValue": {
                    "type": "integer",
                    "enum": [0, 1, 2],
                    "description": "The status as a number: offline, online (away too), busy.",
                },
            }
        ),
        "VoicePingUsers": _array("VoicePingUser", 500),
        "Reason": _object(
            {
                "kind": {
                    "type": "string",
                    "enum": ["flag", "intent", "device", "lease", "grace", "poll", "swept"],
                },
                "name": {"type": "string", "description": "The device; empty for the user."},
                "says": {"type": "string", "description": "The reason as a sentence."},
                "is_deciding": {"type": "boolean"},
                "status": _or_null(schema("Status")),
                "state": _or_null({"type": "string", "enum": ["online", "idle", "offline"]}),
                "connections": {"type": "integer", "minimum": 0},
                "last_ping": schema("Time"),
                "until": schema("Time"),
            }
        ),
        "NextChange": _object(
            {
                "status": schema("Status"),
                "at": schema("Time"),
                "because": {"type": "string"},
            }
        ),
        "Explanation": _object(
            {
                "status": schema("Status"),
                "because": _array("Reason"),
                "next": _or_null(schema("NextChange")),
            }
        ),
        "Token": _object({"token": {"type": "string"}}),
        "Error": _object({"error": {"type": "string"}}),
    }


def _body_schemas() -> Json:
    patch = {
        "status": schema("Status"),
        "until": schema("End"),
        "custom_status": schema("Text"),
        "custom_status_until": schema("End"),
        "activity": schema("Text"),
        "appear_offline": {"type": "boolean"},
        "lease": {
            **LEASE,
            "description": (
                "For how many seconds a status holds that was set without a device; "
                "the default is 300, and up to `until` where that is later."
            ),
        },
    }
    name = {"oneOf": [schema("Name"), {"type": "null"}]}
    # Texts that cannot be ids are left out of the answer.
    asked = {"type": "array", "items": {"type": "string"}, "maxItems": 500}
    claim = {"oneOf": [_array("ServerId", 500), {"type": "null"}]}
    return {
        "Patch": {**_body(patch), "dependentRequired": {"until": ["status"]}},
        "PresenceQuery": _body({"ids": asked}, "ids"),
        "ServerPut": _body({"name": name}),
        "UserPut": _body({"username": name}),
        "MemberList": _body({"members": _array("UserId", 10_000)}, "members"),
        "DevToken": _body({"user": schema("UserId"), "servers": claim}, "user"),
    }


def _object(properties: Json) -> Json:
    """An answer: every property is there; later versions may add some."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def _body(properties: Json, *required: str) -> Json:
    """A request: what is not named here is refused."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _or_null(kind: Json) -> Json:
    return {"oneOf": [kind, {"type": "null"}]}


def _array(item: str, longest: int | None = None) -> Json:
    limit = {} if longest is None else {"maxItems": longest}
    return {"type": "array", "items": schema(item), **limit}
