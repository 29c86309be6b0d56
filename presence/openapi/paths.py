"""Every address with its parameters, bodies and answers."""

from presence.openapi.matrix import build_matrix_paths
from presence.openapi.operation import admin_write, operation, persisted
from presence.openapi.references import (
    Json,
    content,
    json_answer,
    parameter,
    with_header,
)


def build_paths() -> Json:
    return {
        **_gateway_paths(),
        **_user_paths(),
        **_server_paths(),
        **_voiceping_paths(),
        **_operation_paths(),
        **build_matrix_paths(),
    }


# Gateways -----------------------------------------------------------------------------------


def _gateway_paths() -> Json:
    return {
        "/ws": {"get": _gateway("openGateway", "Open the Together gateway")},
        "/voiceping": {"get": _gateway("openVoicePing", "Open a VoicePing connection")},
    }


def _gateway(operation_id: str, summary: str) -> Json:
    answers = {"101": {"description": "The connection is a WebSocket from here on."}}
    return operation(operation_id, summary, answers, problems=(426,), tag="gateway")


# Users --------------------------------------------------------------------------------------


def _user_paths() -> Json:
    return {
        "/users/@me": {
            "get": operation(
                "getMe", "Read one's own presence", json_answer(200, "The self view.", "SelfView")
            ),
            "patch": operation(
                "patchMe",
                "Change one's own presence",
                persisted(json_answer(200, "The self view after the change.", "SelfView")),
                problems=(409,),
                body="Patch",
            ),
        },
        "/users/@me/events": {
            "get": operation(
                "streamFrames",
                "Stream what the gateway sends, as Server-Sent Events",
                {
                    "200": {
                        "description": "A frame in the data of each event; `close` is the last.",
                        "content": {"text/event-stream": {}},
                    }
                },
                parameters=("token", "device", "state", "wish"),
                tag="gateway",
            ),
        },
        "/users/@me/explain": {
            "get": operation(
                "explainMe",
                "Read why one is shown with one's status",
                json_answer(200, "The reasons, and the next change.", "Explanation"),
            ),
        },
        "/users/{user_id}/explain": {
            "parameters": [parameter("user_id")],
            "get": operation(
                "explainUser",
                "Read why a user is shown with its status",
                json_answer(200, "The reasons, and the next change.", "Explanation"),
                problems=(404,),
                tag="administration",
            ),
        },
        "/users/{user_id}": {
            "parameters": [parameter("user_id")],
            "get": operation(
                "getUser",
                "Read a user",
                json_answer(200, "The public view.", "User"),
                problems=(404,),
            ),
            "put": admin_write("putUser", "Create or rename a user", body="UserPut", optional=True),
            "delete": admin_write("deleteUser", "Delete a user and end its connections"),
        },
        "/users/presence": {
            "post": operation(
                "readPresence",
                "Read many users",
                json_answer(
                    200,
                    "In the order asked, without those one may not see or that cannot be ids.",
                    "Users",
                ),
                body="PresenceQuery",
            ),
        },
        "/users/{user_id}/revoke": {
            "parameters": [parameter("user_id")],
            "post": admin_write("revokeUser", "Refuse the user's tokens issued so far"),
        },
        "/users/{user_id}/disconnect": {
            "parameters": [parameter("user_id")],
            "post": admin_write("disconnectUser", "End the user's connections"),
        },
    }


# Servers ------------------------------------------------------------------------------------


def _server_paths() -> Json:
    return {
        "/servers": {
            "get": operation(
                "listServers",
                "List the servers",
                json_answer(200, "Every server, by id.", "Servers"),
                tag="administration",
            ),
        },
        "/servers/{server_id}": {
            "parameters": [parameter("server_id")],
            "put": admin_write(
                "putServer", "Create or rename a server", body="ServerPut", optional=True
            ),
            "delete": admin_write("deleteServer", "Delete a server"),
        },
        "/servers/{server_id}/members": {
            "parameters": [parameter("server_id")],
            "get": operation(
                "listMembers",
                "Read one page of the members, by user id",
                with_header(json_answer(200, "The page.", "Members"), "Link"),
                problems=(404,),
                parameters=("limit", "after"),
            ),
            "put": admin_write(
                "putMembers", "Replace the members made by administration", body="MemberList"
            ),
        },
        "/servers/{server_id}/members/{user_id}": {
            "parameters": [parameter("server_id"), parameter("user_id")],
            "put": admin_write("addMember", "Add a member"),
            "delete": admin_write("removeMember", "Remove a member"),
        },
    }


# VoicePing ----------------------------------------------------------------------------------


def _voiceping_paths() -> Json:
    return {
        "/api/v2/users": {
            "get": operation(
                "listVoicePingUsers",
                "Read one page of all users whom one may see, by user id",
                with_header(
                    json_answer(200, "The page; oneself as one is.", "VoicePingUsers"), "Link"
                ),
                parameters=("page", "per_page"),
            ),
        },
        "/api/v2/users/{user_id}": {
            "parameters": [parameter("user_id")],
            "get": operation(
                "getVoicePingUser",
                "Read a user, or oneself as one is",
                json_answer(200, "The user.", "VoicePingUser"),
                problems=(404,),
            ),
        },
    }


# Operation ----------------------------------------------------------------------------------


def _operation_paths() -> Json:
    return {
        "/auth/dev-token": {"post": _dev_token_operation()},
        "/healthz": {"get": _probe("isAlive", "Does the process answer?")},
        "/readyz": {"get": _probe("isReady", "Does it accept connections?")},
        "/metrics": {
            "get": operation(
                "getMetrics",
                "Read the metrics of Prometheus",
                {"200": {"description": "The metrics.", "content": content("text/plain")}},
                tag="operation",
                # Without a token from a loopback peer.
                security=[{"token": []}, {}],
            )
        },
        "/openapi.json": {
            "get": operation(
                "getOpenapi",
                "Read this document",
                {"200": {"description": "It.", "content": content("application/json", "object")}},
                tag="operation",
                security=[],
            )
        },
    }


def _dev_token_operation() -> Json:
    return operation(
        "makeDevToken",
        "Sign a token: in development mode and from loopback only",
        json_answer(200, "The token.", "Token"),
        problems=(404,),
        body="DevToken",
        tag="operation",
        security=[],
    )


def _probe(operation_id: str, summary: str) -> Json:
    answers = {"200": {"description": "Yes.", "content": content("application/json", "object")}}
    return operation(operation_id, summary, answers, tag="operation", security=[])
