"""What a message of Slack says: its text, what it forwards, its files.

A forwarded message comes as an attachment with `is_share`, beside an empty text where nothing was typed. Previews of
links are attachments too; Slack adds them later, and they are nobody's words. Bots say things in attachments and blocks
alone.
"""

from collections.abc import Iterator
from typing import Any

from contracts.quoting import quoted
from services.ingest.parsed import clean
from services.ingest.slack.text import plain_text

Json = dict[str, Any]

_PREVIEW = frozenset({"is_msg_unfurl", "is_app_unfurl", "service_name", "from_url", "original_url"})
_SIGNS = {"user": ("@", "user_id"), "usergroup": ("@", "usergroup_id"), "broadcast": ("@", "range")}
_SIGNS |= {"channel": ("#", "channel_id"), "date": ("", "fallback")}


def typed(message: Json) -> str:
    """What the author wrote, plain: commands and mentions count in this only."""
    return clean(plain_text(message.get("text") or ""))


def full_text(message: Json) -> str:
    """What was typed, or what a bot shows instead, and below it each forwarded message as a quotation."""
    own = typed(message)
    if not own and message.get("bot_id"):
        own = clean("\n".join(_shown_by_bot(message)))
    return "\n".join(part for part in (own, *(clean(_quoted(share)) for share in _shares(message))) if part)


def files(message: Json) -> list[Json]:
    """The message's own, then those of what it forwards; a forwarded file that it has already isn't another."""
    own = _there(message)
    ids = {file["id"] for file in own}
    shared = {file["id"]: file for share in _shares(message) for file in _there(share)}
    return own + [file for name, file in shared.items() if name not in ids]


def content(message: Json) -> tuple[str, str, tuple[str, ...]]:
    """Two of a message that are equal differ in nothing that a person said."""
    return message.get("text") or "", full_text(message), tuple(file["id"] for file in files(message))


def _there(holder: Json) -> list[Json]:
    """Slack goes on listing a deleted file, as a tombstone without name and address ("File object", `mode`)."""
    return [file for file in holder.get("files") or () if file.get("mode") != "tombstone"]


def _shares(message: Json) -> list[Json]:
    return [one for one in message.get("attachments") or () if one.get("is_share")]


def _quoted(share: Json) -> str:
    said = share.get("text") or ("" if share.get("files") else share.get("fallback")) or ""
    author = share.get("author_name") or share.get("author_id")
    words = plain_text(f"{author}: {said}" if author else said)
    return "\n".join(filter(None, [quoted(words), share.get("from_url")]))


def _shown_by_bot(message: Json) -> list[str]:
    """Slack's clients show blocks first, and attachments below them. The same words are said once."""
    own = [one for one in message.get("attachments") or () if not one.get("is_share") and _PREVIEW.isdisjoint(one)]
    return list(dict.fromkeys(filter(None, (_of_blocks(message), *map(_of_attachment, own)))))


def _of_attachment(one: Json) -> str:
    """From top to bottom. Where it is built of blocks, its other fields may repeat them; `fallback` is for clients that
    can show nothing of it.
    """
    fields = (
        ": ".join(filter(None, (_plain(field.get("title")), _plain(field.get("value")))))
        for field in one.get("fields") or ()
    )
    told = (*(_plain(one.get(name)) for name in ("pretext", "title", "text")), *fields)
    lines = "\n".join(filter(None, told)).splitlines()
    said = frozenset(lines)
    lines += [line for line in _of_blocks(one).splitlines() if line not in said]
    return "\n".join(lines) or _plain(one.get("fallback"))


def _plain(value: object) -> str:
    """A field's value may be a number."""
    return "" if value is None else plain_text(str(value))


def _of_blocks(holder: Json) -> str:
    lines = []
    for block in holder.get("blocks") or ():
        if block.get("type") == "rich_text":
            lines.append("".join(_rich(block)).strip("\n"))
        elif block.get("type") in ("section", "header"):
            lines += [_of_object(one) for one in (block.get("text"), *(block.get("fields") or ())) if one]
        elif block.get("type") == "context":
            lines += [_of_object(one) for one in block.get("elements") or () if one.get("text")]
        elif block.get("type") == "markdown":
            lines.append(block.get("text") or "")
    return "\n".join(line for line in lines if line)


def _of_object(text: Json) -> str:
    said: str = text["text"]
    return plain_text(said) if text.get("type") == "mrkdwn" else said


def _rich(block: Json) -> Iterator[str]:
    """The words of a rich text in reading order; each section, quotation and item of a list ends its line."""
    left: list[Json] = [block]
    while left:
        one = left.pop()
        kind = one.get("type")
        if "elements" in one:
            if str(kind).startswith("rich_text_") and kind != "rich_text_list":
                left.append({"type": "text", "text": "\n"})
            left += reversed(one["elements"])
        elif kind == "emoji":
            yield f":{one['name']}:"
        elif kind in _SIGNS:
            sign, field = _SIGNS[kind]
            yield f"{sign}{one.get(field) or ''}"
        else:
            yield one.get("text") or one.get("url") or ""
