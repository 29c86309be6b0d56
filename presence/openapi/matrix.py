"""The addresses of Matrix: the draft's operations, and the client-server API."""

from presence.openapi.operation import operation, persisted
from presence.openapi.references import LEASE, Json, content, json_answer, parameter, schema

DONE = {"204": {"description": "Done."}}
STATE = {"type": "string", "enum": ["online", "idle", "offline"]}
PRESENCE = {
    "type": "string",
    "enum": ["online", "unavailable", "offline", "busy", "org.matrix.msc3026.busy"],
}


def build_matrix_paths() -> Json:
    return {**_draft_paths(), **_client_paths()}


# The draft ----------------------------------------------------------------------------------


def _draft_paths() -> Json:
    device = {"parameters": [parameter("user_id"), parameter("device_id")]}
    return {
        "/presence/{user_id}": {
            "parameters": [parameter("user_id")],
            "get": operation(
                "getPresence",
                "Read a user; oneself with devices, intent and flag",
                json_answer(200, "The user.", "DraftUser"),
                problems=(404,),
                tag="matrix",
            ),
        },
        "/presence/{user_id}/status": {
            "parameters": [parameter("user_id")],
            "put": _draft_write("putStatus", "Set the status or its text", "DraftStatus"),
        },
        "/presence/{user_id}/appear_offline": {
            "parameters": [parameter("user_id")],
            "put": _draft_write("putAppearOffline", "Set the flag", "AppearOffline"),
        },
        "/presence/{user_id}/devices/{device_id}": {
            **device,
            "put": _draft_write("putDevice", "Set the state of a device", "DeviceState"),
            "delete": operation(
                "deleteDevice",
                "End the lease and the timers of a device",
                persisted(DONE),
                problems=(404,),
                tag="matrix",
            ),
        },
        "/events": {
            "get": operation(
                "getEvents",
                "Stream events, or with `timeout` wait for them",
                {
                    "200": {
                        "description": "Server-Sent Events, or one answer where it is a poll.",
                        "content": {
                            "text/event-stream": {},
                            "application/json": {"schema": schema("DraftPoll")},
                        },
                    }
                },
                parameters=("state", "device", "timeout", "since", "Last-Event-ID"),
                tag="matrix",
            )
        },
    }


def _draft_write(operation_id: str, summary: str, body: str) -> Json:
    return operation(
        operation_id, summary, persisted(DONE), problems=(404, 409), body=body, tag="matrix"
    )


# The client-server API ----------------------------------------------------------------------


def _client_paths() -> Json:
    user = [parameter("matrix_user_id")]
    return {
        f"/_matrix/client{path}": item
        for path, item in {
            "/versions": {"get": _client("getVersions", "List the versions", security=[])},
            "/v3/login": {
                "get": _client("getLogin", "List the ways to log in", security=[]),
                "post": _client(
                    "login", "Exchange a token for an access token", "Login", security=[]
                ),
            },
            "/v3/account/whoami": {"get": _client("whoami", "Read whose the token is")},
            "/v3/sync": {
                "get": _client(
                    "sync",
                    "Wait for presence events",
                    parameters=("matrix_since", "timeout", "set_presence", "filter"),
                )
            },
            "/v3/presence/{matrix_user_id}/status": {
                "parameters": user,
                "get": _client("getMatrixPresence", "Read a presence"),
                "put": _client("putMatrixPresence", "Set one's presence", "MatrixPresence"),
            },
            "/v3/pushrules": {"get": _client("getPushRulesBare", "Read the push rules: none")},
            "/v3/pushrules/": {"get": _client("getPushRules", "Read the push rules: none")},
            "/v3/user/{matrix_user_id}/filter": {
                "parameters": user,
                "post": _client("postFilter", "Make a filter", "MatrixFilter"),
            },
            "/v3/user/{matrix_user_id}/filter/{filter_id}": {
                "parameters": [*user, parameter("filter_id")],
                "get": _client("getFilter", "Read a filter", problems=(404,)),
            },
        }.items()
    }


def _client(
    operation_id: str,
    summary: str,
    body: str | None = None,
    *,
    problems: tuple[int, ...] = (),
    parameters: tuple[str, ...] = (),
    security: list[Json] | None = None,
) -> Json:
    answer = {"200": {"description": "Done.", "content": content("application/json", "object")}}
    described = operation(
        operation_id,
        summary,
        answer,
        problems=problems,
        body=body,
        parameters=parameters,
        tag="matrix",
        security=security,
    )
    codes = [code for code in described["responses"] if code >= "400"]
    for code in codes:
        described["responses"][code] = {"$ref": "#/components/responses/MatrixProblem"}
    return described


# Schemas ------------------------------------------------------------------------------------


def build_matrix_schemas() -> Json:
    user = {
        "user_id": schema("UserId"),
        "state": STATE,
        "status": schema("Status"),
        "custom_status": schema("Text"),
        "activity": schema("Text"),
    }
    return {
        "DraftUser": {
            "type": "object",
            "properties": {
                **user,
                "version": schema("Version"),
                "last_active_ago": {"type": ["integer", "null"], "description": "Milliseconds."},
                "intent": schema("Status"),
                "appear_offline": {"type": "boolean"},
                "devices": {"type": "array", "items": {"type": "object"}},
            },
            "required": [*user, "version", "last_active_ago"],
        },
        "DraftPoll": {
            "type": "object",
            "properties": {
                "position": {"type": "string"},
                "events": {"type": "array", "items": {"type": "object"}},
                "snapshot": {
                    "type": "boolean",
                    "description": "True where all users that are not listed are offline.",
                },
            },
            "required": ["position", "events"],
        },
        "DraftStatus": _body(
            {
                "status": {"type": "string", "enum": ["online", "away", "dnd", "busy", "offline"]},
                "custom_status": schema("Text"),
            }
        ),
        "AppearOffline": _body({"appear_offline": {"type": "boolean"}}, "appear_offline"),
        "DeviceState": _body(
            {
                "state": STATE,
                "lease": LEASE,
            },
            "state",
        ),
        "Login": _open(
            {"type": {"type": "string"}, "token": {"type": "string"}, "device_id": {}}, "type"
        ),
        "MatrixPresence": _open({"presence": PRESENCE, "status_msg": schema("Text")}, "presence"),
        "MatrixFilter": _open({"presence": {"type": "object"}}),
        "MatrixError": _open(
            {
                "errcode": {"type": "string"},
                "error": {"type": "string"},
                "retry_after_ms": {"type": "integer"},
                "soft_logout": {"type": "boolean"},
            },
            "errcode",
            "error",
        ),
    }


def build_matrix_parameters() -> Json:
    return {
        "device_id": _in("path", "device_id", {"type": "string"}),
        "filter_id": _in("path", "filter_id", {"type": "string"}),
        "matrix_user_id": _in("path", "matrix_user_id", {"type": "string"}, "`@name:server`"),
        "state": _in("query", "state", STATE, "The state of this connection."),
        "device": _in("query", "device", {"type": "string"}, "The device of this connection."),
        "timeout": _in(
            "query",
            "timeout",
            {"type": "integer", "minimum": 0},
            "Milliseconds; at most 5 minutes",
        ),
        "since": _in("query", "since", {"type": "string"}, "The position to go on from."),
        "Last-Event-ID": _in("header", "Last-Event-ID", {"type": "string"}, "As `since`."),
        "matrix_since": _in("query", "since", {"type": "string"}, "The last `next_batch`."),
        "set_presence": _in("query", "set_presence", PRESENCE, "`online` where it is absent."),
        "filter": _in("query", "filter", {"type": "string"}, "An id, or a filter as JSON."),
    }


def matrix_problem() -> Json:
    """Every error of the client API."""
    return {
        "description": "An error.",
        "content": {"application/json": {"schema": schema("MatrixError")}},
    }


def _in(place: str, name: str, kind: Json, description: str = "") -> Json:
    described = {"description": description} if description else {}
    return {"name": name, "in": place, "required": place == "path", "schema": kind, **described}


def _body(properties: Json, *required: str) -> Json:
    return {**_open(properties, *required), "additionalProperties": False}


def _open(properties: Json, *required: str) -> Json:
    return {"type": "object", "properties": properties, "required": list(required)}
