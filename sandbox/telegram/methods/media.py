"""Files: sendDocument, sendPhoto, getFile.

Invariant: a file is stored before the message that shows it exists; what getFile hands out can be downloaded.
"""

from __future__ import annotations

from typing import Any

from sandbox.telegram.errors import bad_request
from sandbox.telegram.files import MAX_DOWNLOAD, MAX_PHOTO, MAX_UPLOAD, FileStore, StoredFile
from sandbox.telegram.methods.call import Call, Handler
from sandbox.telegram.methods.content import caption_of
from sandbox.telegram.methods.messages import post
from sandbox.telegram.schema import Upload


def document_content(file: StoredFile) -> dict[str, Any]:
    """The `document` field of a message."""
    return {
        "document": {
            "file_id": file.file_id,
            "file_unique_id": file.file_unique_id,
            "file_name": file.name,
            "mime_type": file.mime_type,
            "file_size": len(file.content),
        }
    }


def photo_content(file: StoredFile) -> dict[str, Any]:
    """The `photo` field of a message: its sizes, here one."""
    size = {
        "file_id": file.file_id,
        "file_unique_id": file.file_unique_id,
        "width": 640,
        "height": 480,
        "file_size": len(file.content),
    }
    return {"photo": [size]}


def _stored(files: FileStore, given: Upload | str, limit: int) -> StoredFile:
    if isinstance(given, Upload):
        if not given.content:
            raise bad_request("file must be non-empty")
        if len(given.content) > limit:
            raise bad_request("file is too big")
        return files.add(given.name, given.content_type, given.content)
    if given.startswith(("http://", "https://")):
        raise bad_request("not simulated: the sandbox fetches no files by URL")
    file = files.by_id(given)
    if file is None:
        raise bad_request("wrong file identifier/HTTP URL specified")
    return file


async def send_document(call: Call) -> dict[str, Any]:
    chat = call.writable_chat()
    caption = caption_of(call)
    file = _stored(call.platform.files, call.get("document"), MAX_UPLOAD)
    return post(call, chat, {**document_content(file), **caption})


async def send_photo(call: Call) -> dict[str, Any]:
    chat = call.writable_chat()
    caption = caption_of(call)
    file = _stored(call.platform.files, call.get("photo"), MAX_PHOTO)
    return post(call, chat, {**photo_content(file), **caption})


async def get_file(call: Call) -> dict[str, Any]:
    file = call.platform.files.by_id(call.get("file_id"))
    if file is None:
        raise bad_request("invalid file_id")
    if len(file.content) > MAX_DOWNLOAD:
        raise bad_request("file is too big")
    return {
        "file_id": file.file_id,
        "file_unique_id": file.file_unique_id,
        "file_size": len(file.content),
        "file_path": file.path,
    }


HANDLERS: dict[str, Handler] = {"sendDocument": send_document, "sendPhoto": send_photo, "getFile": get_file}
