"""The OpenAPI document: valid, complete, and in step with what is really read and sent."""

import json

import attrs
import orjson
import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from presence.core.snapshot import ServerSnapshot
from presence.core.types import PublicView, SelfView, State, Status
from presence.core.user.explanation import Explanation, NextChange, Reason, ReasonKind
from presence.dialects.together import outbound, rest
from presence.dialects.together.explanation import explanation_json
from presence.dialects.voiceping.rest import user_object
from presence.errors import InvalidInput
from presence.openapi import openapi_document
from presence.transport.http.request import error_response

NOW = 1_750_000_000.0
DOCUMENT = openapi_document("1.2.3")
SCHEMAS = DOCUMENT["components"]["schemas"]
METHODS = {"get", "put", "post", "patch", "delete"}
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if method in METHODS
}
PARAMETERS = {
    path: [reference["$ref"].rsplit("/", 1)[1] for reference in item.get("parameters", [])]
    for path, item in DOCUMENT["paths"].items()
}
MATRIX = {
    f"{method} /_matrix/client{path}"
    for method, path in [
        ("GET", "/versions"),
        ("GET", "/v3/login"),
        ("POST", "/v3/login"),
        ("GET", "/v3/account/whoami"),
        ("GET", "/v3/sync"),
        ("GET", "/v3/presence/{matrix_user_id}/status"),
        ("PUT", "/v3/presence/{matrix_user_id}/status"),
        ("GET", "/v3/pushrules"),
        ("GET", "/v3/pushrules/"),
        ("POST", "/v3/user/{matrix_user_id}/filter"),
        ("GET", "/v3/user/{matrix_user_id}/filter/{filter_id}"),
    ]
}
WITHOUT_TOKEN = [
    "POST /auth/dev-token",
    "GET /healthz",
    "GET /readyz",
    "GET /openapi.json",
]


def problems_of(schema, value):
    """The errors of *value* by a *schema* of the document."""
    root = {"$ref": f"#/components/schemas/{schema}", "components": DOCUMENT["components"]}
    return [error.message for error in OAS31Validator(root).iter_errors(value)]


def test_the_document_is_valid_openapi():
    validate(DOCUMENT, cls=OpenAPIV31SpecValidator)


def test_the_document_is_plain_json_and_names_the_version():
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT
    assert DOCUMENT["info"]["version"] == "1.2.3"


def test_a_caller_may_change_its_copy():
    openapi_document("1")["paths"].clear()
    assert openapi_document("1.2.3") == DOCUMENT


def test_every_address_is_there():
    assert set(OPERATIONS) == {
        "GET /ws",
        "GET /voiceping",
        "GET /users/@me",
        "PATCH /users/@me",
        "GET /users/@me/events",
        "GET /users/@me/explain",
        "GET /users/{user_id}/explain",
        "GET /users/{user_id}",
        "PUT /users/{user_id}",
        "DELETE /users/{user_id}",
        "POST /users/presence",
        "POST /users/{user_id}/revoke",
        "POST /users/{user_id}/disconnect",
        "GET /servers",
        "PUT /servers/{server_id}",
        "DELETE /servers/{server_id}",
        "GET /servers/{server_id}/members",
        "PUT /servers/{server_id}/members",
        "PUT /servers/{server_id}/members/{user_id}",
        "DELETE /servers/{server_id}/members/{user_id}",
        "GET /api/v2/users",
        "GET /api/v2/users/{user_id}",
        "POST /auth/dev-token",
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",
        "GET /openapi.json",
        "GET /presence/{user_id}",
        "PUT /presence/{user_id}/status",
        "PUT /presence/{user_id}/appear_offline",
        "PUT /presence/{user_id}/devices/{device_id}",
        "DELETE /presence/{user_id}/devices/{device_id}",
        "GET /events",
        *MATRIX,
    }


def test_every_parameter_of_a_path_is_declared():
    in_names = {
        path: [part[1:-1] for part in path.split("/") if part.startswith("{")]
        for path in DOCUMENT["paths"]
    }
    assert in_names == PARAMETERS


def test_every_operation_has_a_name_of_its_own():
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("address", sorted(OPERATIONS.keys() - MATRIX))
def test_every_error_is_described_for_every_operation(address):
    errors = {code: it for code, it in OPERATIONS[address]["responses"].items() if code >= "400"}
    assert set(errors) >= {"400", "403", "405", "413", "429", "503"}
    assert ("401" in errors) is (address not in [*WITHOUT_TOKEN, "GET /metrics"])
    assert errors == {code: {"$ref": f"#/components/responses/Problem{code}"} for code in errors}


OURS = [address for address in OPERATIONS if address not in MATRIX]


@pytest.mark.parametrize("address", [address for address in OURS if "{" in address])
def test_invisible_users_and_servers_are_not_found(address):
    assert "404" in OPERATIONS[address]["responses"]


def test_every_error_has_the_same_body():
    responses = dict(DOCUMENT["components"]["responses"])
    matrix = responses.pop("MatrixProblem")["content"]["application/json"]["schema"]
    assert matrix == {"$ref": "#/components/schemas/MatrixError"}
    assert list(responses) == [
        f"Problem{code}" for code in (400, 401, 403, 404, 405, 408, 409, 413, 415, 426, 429, 503)
    ]
    for response in responses.values():
        assert response["content"] == {
            "application/json": {"schema": {"$ref": "#/components/schemas/Error"}}
        }
    assert "Retry-After" in responses["Problem429"]["headers"]
    assert "Retry-After" in responses["Problem503"]["headers"]


def test_a_token_is_needed_but_for_what_is_open():
    assert DOCUMENT["security"] == [{"token": []}]
    opened = [address for address in OURS if OPERATIONS[address].get("security") == []]
    assert sorted(opened) == sorted(WITHOUT_TOKEN)
    assert OPERATIONS["GET /metrics"]["security"] == [{"token": []}, {}]


@pytest.mark.parametrize(
    "address",
    [address for address in OURS if address.split()[0] in {"PATCH", "PUT", "DELETE"}],
)
def test_every_change_says_whether_it_is_stored(address):
    answers = OPERATIONS[address]["responses"]
    [success] = [code for code in answers if code < "300"]
    assert success == ("200" if address.startswith("PATCH") else "204")
    assert list(answers[success]["headers"]) == ["Presence-Persisted"]


def test_a_page_of_members_links_to_the_next():
    page = OPERATIONS["GET /servers/{server_id}/members"]
    assert list(page["responses"]["200"]["headers"]) == ["Link"]
    assert [it["$ref"] for it in page["parameters"]] == [
        "#/components/parameters/limit",
        "#/components/parameters/after",
    ]


def test_a_page_of_voiceping_links_to_others():
    page = OPERATIONS["GET /api/v2/users"]
    assert list(page["responses"]["200"]["headers"]) == ["Link"]
    assert [it["$ref"] for it in page["parameters"]] == [
        "#/components/parameters/page",
        "#/components/parameters/per_page",
    ]


ALICE = PublicView("alice", "Alice", Status.DND, "busy", NOW + 60, "chess", 4294967297)
BOB = PublicView("bob", "Bob", version=4294967296, last_seen=NOW)
DND_UNTIL = Reason(ReasonKind.INTENT, status=Status.DND, until=NOW + 9, is_deciding=True)
TAB = Reason(ReasonKind.DEVICE, "tab", state=State.IDLE, connections=1)
EXPLANATION = Explanation(Status.DND, [DND_UNTIL, TAB], NextChange(Status.AWAY, NOW + 9, DND_UNTIL))
UNCHANGING = Explanation(Status.OFFLINE, [], None)
SELF = SelfView("alice", "Alice", Status.DND, Status.DND, NOW + 1, False, "busy", NOW + 60, None)


@pytest.mark.parametrize(
    ("schema", "sent"),
    [
        ("SelfView", rest.self_view_json(SELF, None)),
        ("SelfView", rest.self_view_json(SELF, NOW)),
        ("User", rest.user_json(ALICE)),
        ("User", rest.user_json(BOB)),
        ("Users", rest.users_json([ALICE, BOB])),
        ("Members", rest.members_page_json([ALICE, BOB])),
        ("VoicePingUser", orjson.dumps(user_object("7", "Alice", Status.DND))),
        ("VoicePingUser", orjson.dumps(user_object("bob", "Bob", Status.AWAY))),
        ("Servers", rest.servers_json({"s1": "Team"})),
        ("Explanation", explanation_json(EXPLANATION, NOW)),
        ("Explanation", explanation_json(UNCHANGING, NOW)),
        ("Token", rest.token_json("a.b.c")),
        ("Error", error_response(400, "status is bad").body),
    ],
)
def test_answers_match_the_document(schema, sent):
    body = json.loads(sent)
    assert problems_of(schema, body) == []
    assert set(body) == set(SCHEMAS[schema]["properties"])


def test_a_member_of_the_gateway_is_a_member_of_rest():
    server = outbound.server_fragment(ServerSnapshot("s1", "Team", [ALICE], False, 1, 1))
    [member] = json.loads(server)["members"]
    assert problems_of("Member", member) == []
    assert set(member) == set(SCHEMAS["Member"]["properties"])


@pytest.mark.parametrize("status", Status)
def test_a_page_of_voiceping_is_a_list_of_users(status):
    users = [user_object(user_id, "Alice", status) for user_id in ("1", str(2**53 - 1), "a", "7a")]
    assert problems_of("VoicePingUsers", users) == []
    assert problems_of("VoicePingUsers", users * 200) != []


@pytest.mark.parametrize(
    "changed", [{"id": "7"}, {"id": 0}, {"status": "away"}, {"statusValue": 3}, {"username": None}]
)
def test_no_user_of_voiceping_looks_like_that(changed):
    user = user_object("7", "Alice", Status.ONLINE) | changed
    assert problems_of("VoicePingUser", user) != []


def test_the_statuses_are_those_of_the_model():
    assert SCHEMAS["Status"]["enum"] == [status.value for status in Status]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ("ServerPut", rest.ServerPut),
        ("UserPut", rest.UserPut),
        ("DevToken", rest.DevToken),
    ],
)
def test_a_body_has_the_fields_that_are_read(schema, value):
    assert set(SCHEMAS[schema]["properties"]) == {field.name for field in attrs.fields(value)}


READERS = {
    "Patch": lambda body: rest.parse_patch(body, NOW),
    "PresenceQuery": rest.parse_presence_query,
    "ServerPut": rest.parse_server_put,
    "UserPut": rest.parse_user_put,
    "MemberList": lambda body: list(rest.parse_member_list(body)),
    "DevToken": rest.parse_dev_token,
}
USABLE = [
    ("Patch", {}),
    (
        "Patch",
        {
            "status": "away",
            "until": 60,
            "custom_status": None,
            "custom_status_until": "2025-06-16T00:00:00Z",
            "activity": "chess",
            "appear_offline": True,
            "lease": 14_400,
        },
    ),
    ("Patch", {"lease": 10.5}),
    ("PresenceQuery", {"ids": ["alice", "7", "@me", ""]}),
    ("ServerPut", {"name": "Team"}),
    ("ServerPut", {"name": None}),
    ("UserPut", {"username": "Alice"}),
    ("MemberList", {"members": []}),
    ("DevToken", {"user": "alice"}),
    ("DevToken", {"user": "alice", "servers": ["s1"]}),
]
UNUSABLE = [
    ("Patch", {"status": "invisible"}),
    ("Patch", {"status": None}),
    ("Patch", {"until": 60}),
    ("Patch", {"status": "dnd", "until": 0}),
    ("Patch", {"status": "dnd", "until": True}),
    ("Patch", {"activity": "x" * 129}),
    ("Patch", {"appear_offline": 1}),
    ("Patch", {"lease": 9}),
    ("Patch", {"lease": 14_401}),
    ("Patch", {"lease": True}),
    ("Patch", {"lease": None}),
    ("Patch", {"afk": True}),
    ("PresenceQuery", {}),
    ("PresenceQuery", {"ids": [7]}),
    ("PresenceQuery", {"ids": ["a"] * 501}),
    ("ServerPut", {"id": "x"}),
    ("UserPut", {"username": 5}),
    ("MemberList", {"members": ["a b"]}),
    ("MemberList", {"members": ["a"] * 10_001}),
    ("DevToken", {"servers": []}),
]


@pytest.mark.parametrize(("schema", "body"), USABLE)
def test_documented_bodies_are_read(schema, body):
    assert problems_of(schema, body) == []
    READERS[schema](json.dumps(body).encode())


@pytest.mark.parametrize(("schema", "body"), UNUSABLE)
def test_undocumented_bodies_are_refused(schema, body):
    assert problems_of(schema, body) != []
    with pytest.raises(InvalidInput):
        READERS[schema](json.dumps(body).encode())
