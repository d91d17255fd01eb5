"""Make the trimmed Bot API description from the full one: names, types, required flags and fixed values only.

    python -m sandbox.telegram.spec.trim FULL.json > sandbox/telegram/spec/telegram-bot-api-10.1.json

Invariant: every method of the full description is in the trimmed one, with every type that its arguments reach.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

FIXED = re.compile(r'(?:must be|always) ["“]?(\w+)["”]?\.?$')
ONE_OF = re.compile(r'can be one of ((?:"[^"]+",? ?)+)')

TELLING = ("type", "source")
"""The fields by which the kinds of a union are told apart."""


def element_of(kind: str) -> str:
    """The type at the bottom of `Array of Array of X`."""
    while kind.startswith("Array of "):
        kind = kind.removeprefix("Array of ")
    return kind


def trim_field(field: dict[str, Any]) -> dict[str, Any]:
    """`{"types": [...], "required": bool}`, with `values` where only these are allowed."""
    trimmed: dict[str, Any] = {"types": field["types"], "required": field["required"]}
    fixed, one_of = FIXED.search(field["description"]), ONE_OF.search(field["description"])
    if fixed and field["name"] in TELLING:
        trimmed["values"] = [fixed[1]]
    elif one_of and field["name"] == "emoji":
        trimmed["values"] = re.findall(r'"([^"]+)"', one_of[1])
    return trimmed


def reachable(methods: dict[str, Any], types: dict[str, Any]) -> list[str]:
    """Names of the types that arguments are made of, however deep."""
    found: set[str] = set()
    waiting = [element_of(kind) for method in methods.values() for f in method.get("fields", []) for kind in f["types"]]
    while waiting:
        name = waiting.pop()
        if name in found or name not in types:
            continue
        found.add(name)
        waiting += types[name].get("subtypes", [])
        waiting += [element_of(kind) for field in types[name].get("fields", []) for kind in field["types"]]
    return sorted(found)


def trim(full: dict[str, Any]) -> dict[str, Any]:
    """The description without prose, and without types that only answers use (but `Update`, for its kinds)."""
    methods, types = full["methods"], full["types"]
    return {
        "version": full["version"],
        "source": "https://github.com/PaulSonOfLars/telegram-bot-api-spec (MIT)",
        "methods": {
            name: {field["name"]: trim_field(field) for field in method.get("fields", [])}
            for name, method in methods.items()
        },
        "types": {
            name: {
                "subtypes": types[name].get("subtypes", []),
                "fields": {field["name"]: trim_field(field) for field in types[name].get("fields", [])},
            }
            for name in reachable(methods, types)
        },
        "update_kinds": [field["name"] for field in types["Update"]["fields"] if field["name"] != "update_id"],
    }


if __name__ == "__main__":
    source = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    json.dump(trim(source), sys.stdout, ensure_ascii=False, separators=(",", ":"))
