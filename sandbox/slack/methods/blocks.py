"""The checks of Block Kit that a plain message can fail. Errors: invalid_blocks, invalid_metadata_schema."""

import re
from typing import Any

from sandbox.slack.errors import SlackError
from sandbox.slack.model import Json

MOST_BLOCKS = 50
LONGEST_SECTION = 3000
LONGEST_MARKDOWN = 12_000
LONGEST_HEADER = 150
LONGEST_BLOCK_ID = 255
KINDS = frozenset(
    {
        "actions",
        "alert",
        "card",
        "carousel",
        "context",
        "context_actions",
        "data_table",
        "divider",
        "file",
        "header",
        "image",
        "input",
        "markdown",
        "plan",
        "rich_text",
        "section",
        "table",
        "task_card",
        "video",
    }
)
EVENT_TYPE = re.compile(r"[A-Za-z0-9_.:-]{1,255}")


def check_blocks(blocks: list[Any]) -> list[Json]:
    """The blocks, if Slack would take them."""
    if len(blocks) > MOST_BLOCKS:
        raise _refused(f"no more than {MOST_BLOCKS} items allowed [json-pointer:/blocks]")
    for number, block in enumerate(blocks):
        where = f"[json-pointer:/blocks/{number}]"
        if not isinstance(block, dict) or block.get("type") not in KINDS:
            raise _refused(f"unsupported type {where}")
        if len(str(block.get("block_id", ""))) > LONGEST_BLOCK_ID:
            raise _refused(f"must be less than {LONGEST_BLOCK_ID + 1} characters {where}")
        _check_texts(block, where)
    return blocks


def _check_texts(block: Json, where: str) -> None:
    kind = block["type"]
    if kind == "section":
        if "text" not in block and "fields" not in block:
            raise _refused(f"missing required field: text {where}")
        if "text" in block:
            _check_text(block["text"], ("mrkdwn", "plain_text"), LONGEST_SECTION, where)
    if kind == "header":
        _check_text(block.get("text"), ("plain_text",), LONGEST_HEADER, where)
    if kind == "markdown" and not 1 <= len(str(block.get("text", ""))) <= LONGEST_MARKDOWN:
        raise _refused(f"must be less than {LONGEST_MARKDOWN + 1} characters {where}")
    if kind in ("actions", "context", "rich_text") and not isinstance(block.get("elements"), list):
        raise _refused(f"missing required field: elements {where}")


def _check_text(text: Any, kinds: tuple[str, ...], longest: int, where: str) -> None:
    if not isinstance(text, dict) or text.get("type") not in kinds:
        raise _refused(f"unsupported type {where}/text")
    if not 1 <= len(str(text.get("text", ""))) <= longest:
        raise _refused(f"must be less than {longest + 1} characters {where}/text")


def _refused(message: str) -> SlackError:
    return SlackError("invalid_blocks", errors=[message], response_metadata={"messages": [f"[ERROR] {message}"]})


def check_metadata(metadata: Json) -> Json:
    """Message metadata: an `event_type` and an `event_payload` object, nothing else; `{}` stands for none."""
    if not metadata:
        return {}
    event_type, payload = metadata.get("event_type"), metadata.get("event_payload")
    if not isinstance(event_type, str) or not EVENT_TYPE.fullmatch(event_type) or not isinstance(payload, dict):
        raise SlackError("invalid_metadata_schema")
    return {"event_type": event_type, "event_payload": payload}
