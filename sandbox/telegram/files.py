"""Files that people and bots sent.

Invariant: a file has one id and one unique id for good; its path is only handed out by getFile.
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass

MAX_DOWNLOAD = 20 * 1024 * 1024
MAX_UPLOAD = 50 * 1024 * 1024
MAX_PHOTO = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class StoredFile:
    file_id: str
    file_unique_id: str
    name: str
    mime_type: str
    content: bytes

    @property
    def path(self) -> str:
        return f"documents/{self.file_unique_id}/{self.name}"


class FileStore:
    """Contents by id and by path."""

    def __init__(self) -> None:
        self._by_id: dict[str, StoredFile] = {}
        self._by_path: dict[str, StoredFile] = {}
        self._numbers = itertools.count(1)

    def add(self, name: str, mime_type: str, content: bytes) -> StoredFile:
        number = next(self._numbers)
        digest = hashlib.sha256(f"{number}:{name}".encode()).hexdigest()
        file = StoredFile(f"BQACAgIAAxk{digest[:40]}", f"AgAD{digest[40:52]}", name, mime_type, content)
        self._by_id[file.file_id] = file
        self._by_path[file.path] = file
        return file

    def by_id(self, file_id: str) -> StoredFile | None:
        return self._by_id.get(file_id)

    def by_path(self, path: str) -> StoredFile | None:
        return self._by_path.get(path)
