"""Labels: the short names that people give to queues, tags and the like, shown in one line everywhere."""

import unicodedata

LONGEST = 100
"""Characters."""


def label(text: str) -> str:
    """The label itself. Raises ValueError saying what is wrong with it."""
    if not text.strip():
        raise ValueError("must not be blank")
    if len(text) > LONGEST:
        raise ValueError(f"must have at most {LONGEST} characters")
    return plain(text)


def plain(text: str) -> str:
    """The text itself. Raises ValueError where it holds control characters (tabs and line breaks among them) or half a
    surrogate pair, which can't be encoded.
    """
    for character in text:
        if unicodedata.category(character) in {"Cc", "Cs"}:
            raise ValueError(f"must not contain control characters; it has U+{ord(character):04X}")
    return text
