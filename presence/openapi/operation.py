"""How an operation of the document is put together."""

from presence.openapi.references import Json, parameter, problem, schema, with_header

_ALWAYS = (400, 403, 405, 413, 429, 503)


def operation(
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
    """One operation; *problems* are its errors beside those that every operation has.

    *security* of None asks for a token.
    """
    needs_token = security is None
    of_body = () if body is None else (408, 415)
    codes = sorted({*_ALWAYS, *problems, *of_body, *([401] if needs_token else [])})
    described: Json = {
        "operationId": operation_id,
        "summary": summary,
        "tags": [tag],
        "responses": {**answers, **{str(code): problem(code) for code in codes}},
    }
    if parameters:
        described["parameters"] = [parameter(name) for name in parameters]
    if body is not None:
        described["requestBody"] = {
            "required": not is_body_optional,
            "content": {"application/json": {"schema": schema(body)}},
        }
    if security is not None:
        described["security"] = security
    return described


def admin_write(
    operation_id: str, summary: str, *, body: str | None = None, optional: bool = False
) -> Json:
    """A change by an administrator, answered once it is stored."""
    return operation(
        operation_id,
        summary,
        persisted({"204": {"description": "Done."}}),
        problems=(404,),
        body=body,
        is_body_optional=optional,
        tag="administration",
    )


def persisted(answers: Json) -> Json:
    """Answers that say where the change was not stored in time."""
    return with_header(answers, "Presence-Persisted")
