"""Arguments are checked against the Bot API's own description, for all of its methods.

Invariant: what `check` returns has every required argument, each of one of its declared types; what it does not
return was no argument of the method (Telegram ignores those, so does the sandbox, and names them to the caller).
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from sandbox.telegram.errors import ApiError, bad_request, not_found

SPEC = Path(__file__).parent / "spec" / "telegram-bot-api-10.1.json"

MISSING = {
    "chat_id": "chat_id is empty",
    "from_chat_id": "chat_id is empty",
    "text": "message text is empty",
    "message_id": "message identifier is not specified",
    "user_id": "invalid user_id specified",
    "action": "wrong parameter action in request",
    "file_id": "file_id not specified",
}
TRUE, FALSE = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0"})
INT64 = 1 << 63


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came in a multipart body."""

    name: str
    content_type: str
    content: bytes


class _Mismatch(Exception):
    """The value is not of the type; the text says which and where."""


@functools.cache
def spec() -> dict[str, Any]:
    """The trimmed description: `methods`, `types`, `update_kinds`."""
    loaded: dict[str, Any] = json.loads(SPEC.read_text(encoding="utf-8"))
    return loaded


@functools.cache
def _method_names() -> dict[str, str]:
    return {name.lower(): name for name in spec()["methods"]}


def method_name(given: str) -> str:
    """The method's own spelling (Telegram compares without case). Raises the 404 of an unknown method."""
    try:
        return _method_names()[given.lower()]
    except KeyError:
        raise not_found("method not found") from None


def check(method: str, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """`(arguments, ignored names)`; raises the 400 that names a missing or ill-typed argument."""
    fields = spec()["methods"][method]
    arguments: dict[str, Any] = {}
    for name, field in fields.items():
        value = given.get(name)
        if value is None:
            if field["required"]:
                raise _missing(name)
            continue
        try:
            arguments[name] = _convert(field, value, name)
        except _Mismatch as mismatch:
            raise _refusal(name, str(mismatch)) from None
    return arguments, sorted(set(given) - set(fields))


def _missing(name: str) -> ApiError:
    return bad_request(MISSING.get(name, f'parameter "{name}" is required'))


def _refusal(name: str, reason: str) -> ApiError:
    if name in {"entities", "caption_entities"}:
        return bad_request(f"can't parse entities: {reason}")
    if name == "reply_markup":
        return bad_request(f"can't parse reply keyboard markup JSON object: {reason}")
    return bad_request(f"can't parse {name}: {reason}")


def _convert(field: Mapping[str, Any], value: Any, where: str) -> Any:
    """The value as one of the field's types."""
    reasons: list[str] = []
    for kind in field["types"]:
        try:
            converted = _as(kind, value, where)
        except _Mismatch as mismatch:
            reasons.append(str(mismatch))
            continue
        if "values" in field and converted not in field["values"]:
            raise _Mismatch(f"{where} must be one of {', '.join(field['values'][:3])}...")
        return converted
    raise _Mismatch(reasons[0] if len(reasons) == 1 else f"{where} must be {' or '.join(field['types'])}")


def _as(kind: str, value: Any, where: str) -> Any:
    if kind in _SCALARS:
        return _SCALARS[kind](value, where)
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            raise _Mismatch(f"{where} is not valid JSON") from None
    if kind.startswith("Array of "):
        if not isinstance(value, list):
            raise _Mismatch(f"{where} must be a JSON array")
        inner = {"types": [kind.removeprefix("Array of ")]}
        return [_convert(inner, item, f"{where}[{index}]") for index, item in enumerate(value)]
    return _object(kind, value, where)


def _object(kind: str, value: Any, where: str) -> dict[str, Any]:
    """An object of a declared type; fields that the type lacks are dropped, as Telegram does."""
    if not isinstance(value, dict):
        raise _Mismatch(f"{where} must be a JSON object")
    declared = spec()["types"][kind]
    if declared["subtypes"]:
        return _subtype(kind, declared["subtypes"], value, where)
    converted: dict[str, Any] = {}
    for name, field in declared["fields"].items():
        if value.get(name) is None:
            if field["required"]:
                raise _Mismatch(f'{where}: field "{name}" is required')
            continue
        converted[name] = _convert(field, value[name], f"{where}.{name}")
    return converted


def _subtype(kind: str, subtypes: list[str], value: dict[str, Any], where: str) -> dict[str, Any]:
    """The first kind of the union that the value is; the reason given is the one of the kind it says to be."""
    reason = f"{where} is no {kind}"
    for subtype in subtypes:
        try:
            return _object(subtype, value, where)
        except _Mismatch as mismatch:
            fields = spec()["types"][subtype]["fields"]
            if value.get("type") is not None and value["type"] in fields.get("type", {}).get("values", ()):
                reason = str(mismatch)
    raise _Mismatch(reason)


def _integer(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise _Mismatch(f"{where} must be an Integer")
    try:
        number = int(value)
    except ValueError:
        raise _Mismatch(f"{where} must be an Integer") from None
    if not -INT64 <= number < INT64:
        raise _Mismatch(f"{where} is out of range")
    return number


def _float(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _Mismatch(f"{where} must be a Float")
    try:
        return float(value)
    except ValueError:
        raise _Mismatch(f"{where} must be a Float") from None


def _boolean(value: Any, where: str) -> bool:
    word = str(value).lower()
    if isinstance(value, bool | int | str) and word in TRUE | FALSE:
        return word in TRUE
    raise _Mismatch(f"{where} must be a Boolean")


def _string(value: Any, where: str) -> str:
    """Numbers and booleans of a JSON body are taken by their text, as Telegram does; structures are refused."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise _Mismatch(f"{where} must be a String")


def _file(value: Any, where: str) -> Upload:
    if isinstance(value, Upload):
        return value
    raise _Mismatch(f"{where} must be a file uploaded with multipart/form-data")


_SCALARS: dict[str, Any] = {
    "Integer": _integer,
    "Float": _float,
    "Boolean": _boolean,
    "String": _string,
    "InputFile": _file,
}
