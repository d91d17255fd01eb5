"""files.*: the three steps of an upload (address, bytes, completion) and reading about a file."""

import mimetypes

from sandbox.slack import shapes
from sandbox.slack.errors import SlackError, invalid_arguments
from sandbox.slack.messages import Draft
from sandbox.slack.methods.app import App
from sandbox.slack.model import ChannelType, File, Json
from sandbox.slack.text import posted


def get_upload_url(app: App, arguments: Json) -> Json:
    """Reserves a file id and says where its bytes go."""
    if arguments["length"] <= 0:
        raise invalid_arguments("must be greater than 0 [json-pointer:/length]")
    file_id = app.workspace.new_id("F")
    app.uploads[file_id] = {"name": arguments["filename"], "length": arguments["length"], "content": None}
    return {"upload_url": f"{app.base_url}/upload/{file_id}", "file_id": file_id}


def receive(app: App, file_id: str, content: bytes) -> str | None:
    """Takes the bytes of a reserved file; the text to answer, or None if there is no such reservation."""
    upload = app.uploads.get(file_id)
    if upload is None or len(content) != upload["length"]:
        return None
    upload["content"] = content
    return f"OK - {len(content)}"


def complete_upload(app: App, arguments: Json) -> Json:
    """Turns uploads into files and shares them as one message; whose ts the answer doesn't tell."""
    channel = app.joined(arguments["channel_id"]) if "channel_id" in arguments else None
    files: list[File] = []
    for entry in arguments["files"]:
        upload = app.uploads.get(entry.get("id", "")) if isinstance(entry, dict) else None
        if upload is None or upload["content"] is None:
            raise SlackError("file_not_found")
        name = upload["name"]
        files.append(
            File(
                id=entry["id"],
                name=name,
                title=entry.get("title") or name,
                mimetype=mimetypes.guess_type(name)[0] or "application/octet-stream",
                user=app.workspace.bot.id,
                created=int(app.workspace.clock.now()),
                content=upload["content"],
                url_base=app.workspace.files_url,
            )
        )
    draft = Draft(
        author=app.workspace.bot,
        text=posted(arguments.get("initial_comment", "")),
        thread_ts=arguments.get("thread_ts"),
        files=files,
    )
    if channel is not None:
        app.messages.post(channel, draft)
    for file in files:
        del app.uploads[file.id]
        app.workspace.files[file.id] = file
    return {"files": [{"id": file.id, "title": file.title} for file in files]}


def info(app: App, arguments: Json) -> Json:
    """A file, with where it is shared."""
    file = app.workspace.files.get(arguments["file"])
    if file is None:
        raise SlackError("file_not_found")
    body = shapes.file_json(file, app.workspace.identity)
    shares: dict[str, list[Json]] = {}
    for channel_id, ts in file.shares:
        shares.setdefault(channel_id, []).append({"ts": ts})
    channels = app.workspace.channels
    known = {name: entries for name, entries in shares.items() if name in channels}
    public = {name: entries for name, entries in known.items() if channels[name].type is ChannelType.PUBLIC}
    private = {name: entries for name, entries in known.items() if name not in public}
    kinds = {"public": public, "private": private}
    body["shares"] = {kind: entries for kind, entries in kinds.items() if entries}
    return {"file": body, "comments": [], "response_metadata": {"next_cursor": ""}}
