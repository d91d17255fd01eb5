"""Which changes of a schema would break a reader or a writer of another version.

Within a version of a topic only optional fields are added: records live for weeks, and old and new run side by side.
"""

from typing import Any

Schema = dict[str, Any]


def incompatibilities(old: Schema, new: Schema) -> list[str]:
    """What in `new` breaks records written by, or read with, `old`; one sentence each, empty when nothing does."""
    return sorted(set(_compare(old, new, old, new, "")))


def _compare(old: Schema, new: Schema, old_root: Schema, new_root: Schema, path: str) -> list[str]:
    old, new = _resolve(old, old_root), _resolve(new, new_root)
    where = path or "the record"
    if "enum" in old or "enum" in new:
        return [
            f"{where}: value {value!r} was removed; old records have it"
            for value in old.get("enum", [])
            if value not in new.get("enum", [value])
        ]
    if _kinds(old, old_root) - _kinds(new, new_root):
        lost = ", ".join(sorted(_kinds(old, old_root) - _kinds(new, new_root)))
        return [f"{where}: may no longer be {lost}; old records are"]
    found: list[str] = []
    before: Schema = old.get("properties", {})
    after: Schema = new.get("properties", {})
    found += [f"{path}.{name}: was removed".lstrip(".") for name in before if name not in after]
    if new.get("additionalProperties") is False and old.get("additionalProperties") is not False:
        found.append(f"{where}: refuses unknown fields now; those of later versions must be survived")
    newly_required = set(new.get("required", [])) - set(old.get("required", []))
    found += [f"{path}.{name}: is required now; old records may lack it".lstrip(".") for name in newly_required]
    for name in before.keys() & after.keys():
        found += _compare(before[name], after[name], old_root, new_root, f"{path}.{name}".lstrip("."))
    for inner in ("items", "additionalProperties"):
        if isinstance(old.get(inner), dict) and isinstance(new.get(inner), dict):
            found += _compare(old[inner], new[inner], old_root, new_root, f"{path}[]")
    return found + _compare_options(old, new, old_root, new_root, path)


def _compare_options(old: Schema, new: Schema, old_root: Schema, new_root: Schema, path: str) -> list[str]:
    """`anyOf`: the one option that isn't null is compared with its counterpart."""
    before = [option for option in old.get("anyOf", [old]) if option.get("type") != "null"]
    after = [option for option in new.get("anyOf", [new]) if option.get("type") != "null"]
    if ("anyOf" in old or "anyOf" in new) and len(before) == len(after) == 1:
        return _compare(before[0], after[0], old_root, new_root, path)
    return []


def _kinds(schema: Schema, root: Schema) -> set[str]:
    """The JSON types that a schema admits; empty for one that admits anything."""
    schema = _resolve(schema, root)
    if "anyOf" in schema:
        return set().union(*(_kinds(option, root) for option in schema["anyOf"]))
    kind = schema.get("type")
    kinds = {kind} if isinstance(kind, str) else set(kind or ())
    return kinds | {"number", "integer"} if "number" in kinds else kinds


def _resolve(schema: Schema, root: Schema) -> Schema:
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    return schema
