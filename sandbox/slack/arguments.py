"""From an HTTP request to checked arguments, refusing what Slack refuses.

Arguments come in the query, as a form or, for methods that take it, as JSON (then the token must be in the header).
Types and required arguments are those of the kept specification; arguments it doesn't know are ignored, as Slack does.
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from aiohttp import web

from sandbox.slack.errors import SlackError, invalid_arguments
from sandbox.slack.model import Json

SPEC_PATH = Path(__file__).parent / "spec" / "methods.json"
ARGUMENT_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")
TIMESTAMP = re.compile(r"\d{1,16}(\.\d{1,6})?")
TRUE, FALSE = ("1", "true", "True", True), ("0", "false", "False", "", False)
CHARSETS = ("utf-8", "utf8", "iso-8859-1")
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


@cache
def specification() -> Json:
    """The kept part of Slack's description: `methods` and the names of `others`."""
    loaded: Json = json.loads(SPEC_PATH.read_text(encoding="utf-8"))
    return loaded


async def read(request: web.Request, *, takes_json: bool) -> tuple[Json, str | None]:
    """The raw arguments and the token of a call.

    Errors: invalid_post_type, invalid_charset, invalid_json, json_not_object, invalid_arg_name.
    """
    arguments: Json = dict(request.query)
    token = _bearer(request)
    if request.method == "POST" and request.can_read_body:
        kind = request.content_type
        charset = request.charset
        if charset is not None and charset.lower() not in CHARSETS:
            raise SlackError("invalid_charset")
        if kind in FORMS:
            arguments |= dict(await request.post())
        elif kind == "application/json":
            body = await _json_body(request)
            if "token" in body and token is None:
                body = {name: value for name, value in body.items() if name != "token"}
            arguments |= body if takes_json else {}
        elif await request.read():
            raise SlackError("invalid_post_type")
    token = token or arguments.get("token")
    arguments.pop("token", None)
    for name in arguments:
        if not ARGUMENT_NAME.fullmatch(name):
            raise SlackError("invalid_arg_name")
    return arguments, token


def check(method: str, arguments: Json) -> Json:
    """The arguments of a method with their types: numbers, booleans, lists and objects, `None` left out.

    Errors: invalid_arguments, with a message for each missing or ill-typed one; invalid_blocks_format,
    invalid_metadata_format.
    """
    described: Json = specification()["methods"][method]["arguments"]
    checked: Json = {}
    wrong: list[str] = []
    for name, argument in described.items():
        value = arguments.get(name)
        if value is None or (value == "" and name not in ("text", "cursor", "users")):
            if argument.get("required"):
                wrong.append(f"missing required field: {name}")
            continue
        try:
            checked[name] = _typed(name, argument["type"], value)
        except ValueError as error:
            wrong.append(f"{error} [json-pointer:/{name}]")
    if wrong:
        raise invalid_arguments(*wrong)
    return checked


def _typed(name: str, kind: str, value: Any) -> Any:
    if kind == "string":
        return _string(value)
    if kind == "timestamp":
        text = _string(value)
        if not TIMESTAMP.fullmatch(text):
            raise ValueError("must be a timestamp")
        return text
    if kind == "integer":
        if isinstance(value, bool) or not re.fullmatch(r"-?\d{1,12}", str(value)):
            raise ValueError("must be an integer")
        return int(value)
    if kind == "boolean":
        if value in TRUE:
            return True
        if value in FALSE:
            return False
        raise ValueError("must be a boolean")
    return _structure(name, kind, value)


def _string(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("must be a string")  # noqa: TRY004 - one kind of error for every ill-typed argument
    return str(value)


def _structure(name: str, kind: str, value: Any) -> Any:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise _ill_formed(name) from None
    if not isinstance(value, list if kind == "array" else dict):
        raise _ill_formed(name)
    return value


def _ill_formed(name: str) -> SlackError:
    codes = {"blocks": "invalid_blocks_format", "metadata": "invalid_metadata_format"}
    code = codes.get(name)
    return SlackError(code) if code else invalid_arguments(f"must be valid JSON [json-pointer:/{name}]")


def _bearer(request: web.Request) -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


async def _json_body(request: web.Request) -> Json:
    raw = await request.read()
    if not raw:
        return {}
    try:
        body = json.loads(raw)
    except ValueError:
        raise SlackError("invalid_json") from None
    if not isinstance(body, dict):
        raise SlackError("json_not_object")
    return body
