"""JSON Schemas of all records and of the policy document, generated from the models and kept in `contracts/schemas/`.

`python -m contracts.schemas check` fails when a file differs from its model, and says whether the change would break
readers; `write` writes the files and refuses a breaking change, which belongs into a new version of the topic.
"""

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from contracts.compatibility import incompatibilities
from contracts.desk_policy_v1 import Policy
from contracts.topics import MODELS

FOLDER = Path(__file__).parent / "schemas"
POLICY_FILE = "policy.v1.json"


def generate() -> dict[str, dict[str, Any]]:
    """File name -> schema."""
    models: dict[str, type[BaseModel]] = {f"{name}.json": model for name, model in MODELS.items()}
    schemas = {name: model.model_json_schema() for name, model in models.items()}
    schemas[POLICY_FILE] = _closed(Policy.model_json_schema())
    return {
        name: {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
        for name, schema in sorted(schemas.items())
    }


def _closed(schema: Any) -> Any:
    """Without fields of later versions: of a document that is applied here, not of one that is read."""
    match schema:
        case dict():
            return {
                name: False if name == "additionalProperties" and part is True else _closed(part)
                for name, part in schema.items()
            }
        case list():
            return [_closed(part) for part in schema]
        case _:
            return schema


def compare(folder: Path = FOLDER) -> tuple[list[str], list[str]]:
    """What would break, and which files are out of date; one line each."""
    breaking: list[str] = []
    stale: list[str] = []
    generated = generate()
    for name, schema in generated.items():
        path = folder / name
        kept = json.loads(path.read_text()) if path.exists() else None
        if kept != schema:
            stale.append(f"{name}: {'is missing' if kept is None else 'differs from its model'}")
        if kept is not None:
            breaking += [f"{name}: {problem}" for problem in incompatibilities(kept, schema)]
    removed = [path.name for path in sorted(folder.glob("*.json")) if path.name not in generated]
    return breaking + [f"{name}: its model was removed" for name in removed], stale


def main(arguments: list[str]) -> int:
    if arguments not in (["check"], ["write"]):
        print("usage: python -m contracts.schemas check|write", file=sys.stderr)
        return 2
    breaking, stale = compare()
    if breaking:
        print("These changes break records of the same version; make a new module and topic suffix instead:")
        print("\n".join(f"  {line}" for line in breaking))
        return 1
    if arguments == ["check"]:
        print("\n".join([*stale, "run `make schemas`"]) if stale else f"{len(generate())} schemas are up to date")
        return 1 if stale else 0
    FOLDER.mkdir(exist_ok=True)
    for name, schema in generate().items():
        (FOLDER / name).write_text(json.dumps(schema, indent=2, ensure_ascii=False, sort_keys=True) + "\n")
    print(f"wrote {len(generate())} schemas")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
