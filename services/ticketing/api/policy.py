"""The policy by which the router decides: checked whole, versioned, kept for ever, published on `desk.policy.v1`."""

from typing import Any

import yaml
from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import Response

from chassis import outbox
from chassis.database import Connection
from chassis.tracecontext import current_traceparent
from contracts.desk_policy_v1 import Policy, PolicyPublished
from services.ticketing.api.context import Admin, Reader, ServicesOf
from services.ticketing.api.models import PolicyJson
from services.ticketing.api.once import Answer, change
from services.ticketing.api.problems import Problem
from services.ticketing.store.policies import AppliedPolicy, current_policy, save_policy
from services.ticketing.store.saving import SOURCE

router = APIRouter(prefix="/v1/policy", tags=["policy"])
_YAML = {"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"}
MAX_YAML_BYTES = 128 * 1024
"""About a second of reading, in which nothing else is answered."""
MAX_VALUES = 20_000
"""Of a document, aliases written out: YAML makes of a few of them more than fits into memory."""
_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What readers raise, PyYAML beside its own also for a tag that its value doesn't fit (`!!bool x`)."""
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The policy document. Its JSON Schema is `contracts`' desk_policy_v1.Policy.",
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/Policy-Input"}},
            "application/yaml": {"schema": {"type": "string"}, "example": "defaults:\n  continue_within: 3m\n"},
        },
    }
}


@router.get("", summary="The policy in force")
async def get_policy(services: ServicesOf, caller: Reader) -> PolicyJson:
    """Version 0 is the built-in default, in force until the first one is applied."""
    del caller
    async with services.database.connection() as connection:
        return _json(await current_policy(connection))


@router.put("", response_model=PolicyJson, summary="Apply a policy", openapi_extra=_BODY)
async def put_policy(request: Request, services: ServicesOf, caller: Admin) -> Response:
    """JSON, or YAML of at most 128 KB with `Content-Type: application/yaml`. Applying the policy in force again changes
    nothing.
    """
    document = _checked(await _document(request))

    async def work(connection: Connection) -> Answer:
        current = await current_policy(connection, lock=True)
        if current.version and current.document == document:
            return Answer(200, _json(current))
        applied = AppliedPolicy(current.version + 1, document, services.clock.now(), caller.name)
        assert applied.applied_at is not None  # noqa: S101
        await save_policy(connection, applied.version, document, applied.applied_at, caller.name)
        published = PolicyPublished(
            version=applied.version, document=document, applied_at=applied.applied_at, applied_by=caller.name
        )
        traceparent = current_traceparent.get()
        row = outbox.row(published, source=SOURCE, time=applied.applied_at, traceparent=traceparent)
        await outbox.add(connection, [row])
        return Answer(200, _json(applied))

    return await change(request, work)


async def _document(request: Request) -> Any:
    """The body as JSON or YAML, whose superset of JSON serves clients that name no type."""
    body = await request.body()
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind not in {*_YAML, "application/json"}:
        raise Problem(415, "unsupported-media-type", "Send application/json or application/yaml.")
    if b"\0" in body:
        raise Problem(400, "malformed-policy", "The document holds a NUL character.")
    is_yaml = kind in _YAML
    if is_yaml and len(body) > MAX_YAML_BYTES:
        raise Problem(
            413, "body-too-large", f"A policy in YAML may have {MAX_YAML_BYTES} bytes; longer ones go as JSON."
        )
    try:
        document = yaml.safe_load(body) or {} if is_yaml else await request.json()
    except (yaml.YAMLError, *_UNREADABLE) as error:
        detail = f"The document is not {'YAML' if is_yaml else 'JSON'} that can be read: {error}"
        raise Problem(400, "malformed-policy", detail) from error
    if _has_more(document, MAX_VALUES):
        raise Problem(422, "invalid-policy", f"Not applied. The document has more than {MAX_VALUES} values.")
    return document


def _has_more(document: Any, most: int) -> bool:
    """Whether a tree has more values, counting those of aliases each time; of a tree without end too."""
    left, seen = [document], 0
    while left:
        seen += 1
        if seen + len(left) > most:
            return True
        match left.pop():
            case dict() as found:
                left += found.values()
            case list() as found:
                left += found
    return False


def _checked(document: Any) -> Policy:
    try:
        return Policy.to_apply(document)
    except ValidationError as error:
        errors = [
            {
                "field": ".".join(str(part) for part in fault["loc"]) or "document",
                "message": _said(fault["type"], fault["msg"]),
            }
            for fault in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        detail = "; ".join(f"{one['field']}: {one['message']}" for one in errors[:10])
        raise Problem(422, "invalid-policy", f"Not applied. {detail}", errors=errors[:50]) from error


def _said(kind: str, message: str) -> str:
    return "there is no such field" if kind == "extra_forbidden" else message.removeprefix("Value error, ")


def _json(policy: AppliedPolicy) -> PolicyJson:
    return PolicyJson(
        version=policy.version,
        document=policy.document,
        applied_at=policy.applied_at,
        applied_by=policy.applied_by,
    )
