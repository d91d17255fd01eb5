"""Where commands find the running Okno: the environment first, else the background stack's `stack.json`, which is in
`.okno`, or in `OKNO_STATE`.
"""

import json
import os
from pathlib import Path
from typing import Any

from cli.failure import fail

STACK_FILE = Path(os.environ.get("OKNO_STATE", Path(__file__).parent.parent / ".okno")) / "stack.json"


def _stack() -> dict[str, Any]:
    return dict(json.loads(STACK_FILE.read_text())) if STACK_FILE.exists() else {}


def optional(variable: str, *path: str) -> str | None:
    """The variable, or the value at `path` in the stack's file, or None."""
    return os.environ.get(variable) or of_stack(*path)


def of_stack(*path: str) -> str | None:
    """The value at `path` in the stack's file, or None."""
    found: Any = _stack()
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, str) and found else None


def find(variable: str, *path: str) -> str:
    """Like `optional`, but ends the command when there is neither."""
    if (value := optional(variable, *path)) is not None:
        return value
    fail(f"{variable} is not set and no stack is up.", f"Set {variable}, or start a stack with `make up`.")


def api_url() -> str:
    return find("OKNO_API_URL", "ticketing_api", "url").rstrip("/")


def api_token() -> str:
    return find("OKNO_API_TOKEN", "ticketing_api", "token")


def database_url() -> str:
    return find("DATABASE_URL", "postgres", "dsn")


def kafka_environment() -> dict[str, str]:
    """The environment with Kafka's address filled in, for `chassis.settings.read`."""
    return {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": find("KAFKA_BOOTSTRAP_SERVERS", "kafka", "bootstrap_servers")}
