"""Slack's message text to plain text.

Slack escapes only `&`, `<` and `>`; control sequences stand in angle brackets: `<@U1>`, `<#C1|name>`, `<!here>`,
`<https://x|label>` (docs.slack.dev, "Formatting message text"). Entities are resolved last, so that an escaped
`&lt;@U1&gt;` that somebody typed stays what they typed.
"""

import re

_CONTROL = re.compile(r"<([^<>]*)>")


def plain_text(text: str) -> str:
    """`<https://x|label>` becomes `label (https://x)`, `<@U1>` `@U1`, `<#C1|help>` `#help`, `<!here>` `@here`."""
    return unescape(_CONTROL.sub(_resolve, text))


def mentioned_users(text: str) -> tuple[str, ...]:
    """User ids in the order of their first mention."""
    found = (match[1].split("|")[0] for match in _CONTROL.finditer(text) if match[1].startswith("@"))
    return tuple(dict.fromkeys(name[1:] for name in found))


def unescape(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _resolve(match: re.Match[str]) -> str:
    target, bar, label = match[1].partition("|")
    if target.startswith("@"):
        return f"@{label or target[1:]}"
    if target.startswith("#"):
        return f"#{label or target[1:]}"
    if target.startswith("!"):
        return label or f"@{target[1:].split('^')[0]}"
    if not bar or label in (target, target.removeprefix("mailto:"), re.sub(r"^https?://", "", target)):
        return target.removeprefix("mailto:")
    return f"{label} ({target})"
