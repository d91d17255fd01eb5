"""Makes `methods.json` from Slack's OpenAPI document of 2021 and the additions below; run by hand, the result is kept.

    python -m sandbox.slack.spec.trim slack-web-api-2021.openapi.json

Slack's document is MIT-licensed (see LICENSE beside this file). It predates some methods and arguments: those are
added here, from the method pages of docs.slack.dev. Only what the argument check needs survives: for each simulated
method its arguments (type, required) and whether it takes JSON, and the names of all other methods, so that a call of
one is told from a misspelt one.
"""

import json
import sys
from pathlib import Path
from typing import Any

SIMULATED = (
    "api.test",
    "apps.connections.open",
    "auth.test",
    "bots.info",
    "chat.delete",
    "chat.getPermalink",
    "chat.postMessage",
    "chat.update",
    "conversations.history",
    "conversations.info",
    "conversations.join",
    "conversations.leave",
    "conversations.list",
    "conversations.members",
    "conversations.open",
    "conversations.replies",
    "files.completeUploadExternal",
    "files.getUploadURLExternal",
    "files.info",
    "reactions.add",
    "reactions.get",
    "reactions.remove",
    "team.info",
    "users.conversations",
    "users.info",
    "users.list",
    "users.lookupByEmail",
)

ADDED_METHODS: dict[str, dict[str, Any]] = {
    "apps.connections.open": {"json": True, "arguments": {}},
    "files.getUploadURLExternal": {
        "json": False,
        "arguments": {
            "filename": {"type": "string", "required": True},
            "length": {"type": "integer", "required": True},
            "alt_txt": {"type": "string"},
            "snippet_type": {"type": "string"},
        },
    },
    "files.completeUploadExternal": {
        "json": True,
        "arguments": {
            "files": {"type": "array", "required": True},
            "channel_id": {"type": "string"},
            "channels": {"type": "string"},
            "thread_ts": {"type": "string"},
            "initial_comment": {"type": "string"},
            "blocks": {"type": "array"},
        },
    },
}

ADDED_ARGUMENTS: dict[str, dict[str, dict[str, Any]]] = {
    "chat.postMessage": {"metadata": {"type": "object"}, "markdown_text": {"type": "string"}},
    "chat.update": {
        "metadata": {"type": "object"},
        "markdown_text": {"type": "string"},
        "reply_broadcast": {"type": "boolean"},
    },
    "conversations.history": {"include_all_metadata": {"type": "boolean"}},
    "conversations.info": {"include_num_members": {"type": "boolean"}},
    "conversations.replies": {"include_all_metadata": {"type": "boolean"}},
    "conversations.leave": {},
}

# The document types these as numbers or plain strings; they are ids of messages, or JSON in the form.
RETYPED = {
    "ts": "timestamp",
    "timestamp": "timestamp",
    "message_ts": "timestamp",
    "thread_ts": "timestamp",
    "oldest": "string",
    "latest": "string",
    "blocks": "array",
    "attachments": "array",
    "link_names": "boolean",
}
REQUIRED = {
    "bots.info": ("bot",),
    "chat.delete": ("channel", "ts"),
    "files.info": ("file",),
    "chat.getPermalink": ("channel", "message_ts"),
    "conversations.history": ("channel",),
    "conversations.info": ("channel",),
    "conversations.join": ("channel",),
    "conversations.leave": ("channel",),
    "conversations.members": ("channel",),
    "conversations.replies": ("channel", "ts"),
    "reactions.add": ("channel", "name", "timestamp"),
    "reactions.remove": ("name",),
    "users.info": ("user",),
}


def trim(document: dict[str, Any]) -> dict[str, Any]:
    """The trimmed document: `{"methods": {name: {"json": bool, "arguments": {...}}}, "others": [names]}`."""
    methods: dict[str, Any] = {}
    names = [path.removeprefix("/") for path in document["paths"]]
    for name in SIMULATED:
        if name in ADDED_METHODS:
            methods[name] = ADDED_METHODS[name]
            continue
        (operation,) = document["paths"][f"/{name}"].values()
        arguments: dict[str, dict[str, Any]] = {}
        for parameter in operation.get("parameters", []):
            if parameter["name"] == "token":
                continue
            argument: dict[str, Any] = {"type": RETYPED.get(parameter["name"], parameter.get("type", "string"))}
            if parameter.get("required") or parameter["name"] in REQUIRED.get(name, ()):
                argument["required"] = True
            arguments[parameter["name"]] = argument
        arguments.update(ADDED_ARGUMENTS.get(name, {}))
        methods[name] = {"json": "application/json" in operation.get("consumes", ()), "arguments": arguments}
    return {"methods": methods, "others": sorted(set(names) - set(SIMULATED))}


def main() -> None:
    """Reads the document named on the command line and writes `methods.json` beside this file."""
    document = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    target = Path(__file__).with_name("methods.json")
    target.write_text(json.dumps(trim(document), indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
