"""The OpenAPI 3.1 document of Together REST and the administration, kept by hand."""

from typing import Any

Json = dict[str, Any]

_ID_PATTERN = r"^[A-Za-z0-9._~@+=-]{1,128}$"

_PROBLEMS = {
    400: "The request makes no sense; the text names the field. Nothing was applied.",
    401: "No valid token.",
    403: "The token, the origin or the peer may not do this.",
    404: "It does not exist, or the caller may not see it: the same answer for both.",
    405: "The address does not know this method.",
    413: "The body is too large.",
    429: "Over a limit. Nothing was applied.",
    503: "The server is draining or the database cannot answer.",
}
_ALWAYS = (400, 403, 405, 413, 429, 503)


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
            {"name": "operation", "description": "For those who run the server."},
        ],
        "paths": _paths(),
        "components": {
            "securitySchemes": {"token": _security_scheme()},
            "schemas": _schemas(),
            "parameters": _parameters(),
            "headers": _headers(),
            "responses": _problem_responses(),
        },
    }


def _paths() -> Json:
    return {**_user_paths(), **_server_paths(), **_operation_paths()}


# Users --------------------------------------------------------------------------------------


def _user_paths() -> Json:
    return {
        "/users/@me": {
            "get": _operation(
                "getMe", "Read one's own presence", _json(200, "The self view.", "SelfView")
            ),
            "patch": _operation(
                "patchMe",
                "Change one's own presence",
                _persisted(_json(200, "The self view after the change.", "SelfView")),
                body="Patch",
            ),
        },
        "/users/{user_id}": {
            "parameters": [_parameter("user_id")],
            "get": _operation(
                "getUser", "Read a user", _json(200, "The public view.", "User"), problems=(404,)
            ),
            "put": _admin_write(
                "putUser", "Create or rename a user", body="UserPut", optional=True
            ),
            "delete": _admin_write("deleteUser", "Delete a user and end its connections"),
        },
        "/users/presence": {
            "post": _operation(
                "readPresence",
                "Read many users",
                _json(200, "In the order asked, without those one may not see.", "Users"),
                body="PresenceQuery",
            ),
        },
        "/users/{user_id}/revoke": {
            "parameters": [_parameter("user_id")],
            "post": _admin_write("revokeUser", "Refuse the user's tokens issued so far"),
        },
        "/users/{user_id}/disconnect": {
            "parameters": [_parameter("user_id")],
            "post": _admin_write("disconnectUser", "End the user's connections"),
        },
    }


# Servers ------------------------------------------------------------------------------------


def _server_paths() -> Json:
    return {
        "/servers": {
            "get": _operation(
                "listServers",
                "List the servers",
                _json(200, "Every server, by id.", "Servers"),
                tag="administration",
            ),
        },
        "/servers/{server_id}": {
            "parameters": [_parameter("server_id")],
            "put": _admin_write(
                "putServer", "Create or rename a server", body="ServerPut", optional=True
            ),
            "delete": _admin_write("deleteServer", "Delete a server"),
        },
        "/servers/{server_id}/members": {
            "parameters": [_parameter("server_id")],
            "get": _operation(
                "listMembers",
                "Read one page of the members, by user id",
                _with_header(_json(200, "The page.", "Members"), "Link"),
                problems=(404,),
                parameters=("limit", "after"),
            ),
            "put": _admin_write(
                "putMembers", "Replace the members made by administration", body="MemberList"
            ),
        },
        "/servers/{server_id}/members/{user_id}": {
            "parameters": [_parameter("server_id"), _parameter("user_id")],
            "put": _admin_write("addMember", "Add a member"),
            "delete": _admin_write("removeMember", "Remove a member"),
        },
    }


# Operation ----------------------------------------------------------------------------------


def _operation_paths() -> Json:
    return {
        "/auth/dev-token": {"post": _dev_token_operation()},
        "/healthz": {"get": _probe("isAlive", "Does the process answer?")},
        "/readyz": {"get": _probe("isReady", "Does it accept connections?")},
        "/metrics": {
            "get": _operation(
                "getMetrics",
                "Read the metrics of Prometheus",
                {"200": {"description": "The metrics.", "content": _content("text/plain")}},
                tag="operation",
                # Without a token from a loopback peer.
                security=[{"token": []}, {}],
            )
        },
        "/openapi.json": {
            "get": _operation(
                "getOpenapi",
                "Read this document",
                {"200": {"description": "It.", "content": _content("application/json", "object")}},
                tag="operation",
                security=[],
            )
        },
    }


def _dev_token_operation() -> Json:
    return _operation(
        "makeDevToken",
        "Sign a token: in development mode and from loopback only",
        _json(200, "The token.", "Token"),
        problems=(404,),
        body="DevToken",
        tag="operation",
        security=[],
    )


def _probe(operation_id: str, summary: str) -> Json:
    answers = {"200": {"description": "Yes.", "content": _content("application/json", "object")}}
    return _operation(operation_id, summary, answers, tag="operation", security=[])


# How an operation is put together -----------------------------------------------------------


def _operation(
    operation_id: str,
    summary: str,
    answers: Json,
    *,
    problems: tuple[int, ...] = (),
    body: str | None = None,
    is_body_optional: bool = False,
    parameters: tuple[str, ...] = (),
    tag: str = "presence",
    security: list[Json] | None = None,
) -> Json:
    needs_token = security is None
    codes = sorted({*_ALWAYS, *problems, *([401] if needs_token else [])})
    operation: Json = {
        "operationId": operation_id,
        "summary": summary,
        "tags": [tag],
        "responses": {**answers, **{str(code): _problem(code) for code in codes}},
    }
    if parameters:
        operation["parameters"] = [_parameter(name) for name in parameters]
    if body is not None:
        operation["requestBody"] = {
            "required": not is_body_optional,
            "content": {"application/json": {"schema": _schema(body)}},
        }
    if security is not None:
        operation["security"] = security
    return operation


def _admin_write(
    operation_id: str, summary: str, *, body: str | None = None, optional: bool = False
) -> Json:
    return _operation(
        operation_id,
        summary,
        _persisted({"204": {"description": "Done."}}),
        problems=(404,),
        body=body,
        is_body_optional=optional,
        tag="administration",
    )


def _json(code: int, description: str, schema: str) -> Json:
    content = {"application/json": {"schema": _schema(schema)}}
    return {str(code): {"description": description, "content": content}}


def _content(media_type: str, kind: str = "string") -> Json:
    return {media_type: {"schema": {"type": kind}}}


def _persisted(answers: Json) -> Json:
    return _with_header(answers, "Presence-Persisted")


def _with_header(answers: Json, name: str) -> Json:
    headers = {name: {"$ref": f"#/components/headers/{name}"}}
    return {code: {**answer, "headers": headers} for code, answer in answers.items()}


def _problem(code: int) -> Json:
    return {"$ref": f"#/components/responses/Problem{code}"}


def _schema(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _parameter(name: str) -> Json:
    return {"$ref": f"#/components/parameters/{name}"}


# Components ---------------------------------------------------------------------------------


def _security_scheme() -> Json:
    return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


def _problem_responses() -> Json:
    responses = {}
    for code, description in _PROBLEMS.items():
        response = _json(code, description, "Error")[str(code)]
        if code in {429, 503}:
            response["headers"] = {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}
        responses[f"Problem{code}"] = response
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
            "description": 'The next page, as `<...>; rel="next"`; absent on the last one.',
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
            "schema": _schema("UserId"),
        },
    }


def _in_path(name: str, schema: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": _schema(schema)}


def _schemas() -> Json:
    return {**_value_schemas(), **_answer_schemas(), **_body_schemas()}


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
        "Version": {
            "type": "integer",
            "minimum": 0,
            "description": "Grows with each change of what others see; ignore what is not newer.",
        },
    }


def _answer_schemas() -> Json:
    view = {
        "username": {"type": "string"},
        "status": _schema("Status"),
        "custom_status": _schema("Text"),
        "activity": _schema("Text"),
    }
    public = {**view, "version": _schema("Version")}
    return {
        "SelfView": _object(
            {
                "id": _schema("UserId"),
                **view,
                "intent": _schema("Status"),
                "until": _schema("Time"),
                "appear_offline": {"type": "boolean"},
                "custom_status_until": _schema("Time"),
            }
        ),
        "User": _object({"id": _schema("UserId"), **public, "last_seen": _schema("Time")}),
        "Member": _object({"user_id": _schema("UserId"), **public}),
        "Server": _object({"id": _schema("ServerId"), "name": {"type": "string"}}),
        "Users": _object({"users": _array("User")}),
        "Members": _object({"members": _array("Member")}),
        "Servers": _object({"servers": _array("Server")}),
        "Token": _object({"token": {"type": "string"}}),
        "Error": _object({"error": {"type": "string"}}),
    }


def _body_schemas() -> Json:
    patch = {
        "status": _schema("Status"),
        "until": _schema("End"),
        "custom_status": _schema("Text"),
        "custom_status_until": _schema("End"),
        "activity": _schema("Text"),
        "appear_offline": {"type": "boolean"},
    }
    name = {"oneOf": [_schema("Name"), {"type": "null"}]}
    claim = {"oneOf": [_array("ServerId", 500), {"type": "null"}]}
    return {
        "Patch": {**_body(patch), "dependentRequired": {"until": ["status"]}},
        "PresenceQuery": _body({"ids": _array("UserId", 500)}, "ids"),
        "ServerPut": _body({"name": name}),
        "UserPut": _body({"username": name}),
        "MemberList": _body({"members": _array("UserId", 10_000)}, "members"),
        "DevToken": _body({"user": _schema("UserId"), "servers": claim}, "user"),
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


def _array(item: str, longest: int | None = None) -> Json:
    limit = {} if longest is None else {"maxItems": longest}
    return {"type": "array", "items": _schema(item), **limit}
