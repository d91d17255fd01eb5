"""The one list of simulated methods, with the scopes of which any one lets a call through."""

from dataclasses import dataclass

from sandbox.slack.methods import chat, conversations, files, people, reactions
from sandbox.slack.methods.app import App, Method
from sandbox.slack.model import Json

HISTORY = ("channels:history", "groups:history", "im:history", "mpim:history")
READ = ("channels:read", "groups:read", "im:read", "mpim:read")


@dataclass(frozen=True, slots=True)
class Entry:
    """A method and what a token needs to call it."""

    run: Method
    scopes: tuple[str, ...] = ()
    app_token: bool = False


def open_socket(app: App, _arguments: Json) -> Json:
    """apps.connections.open: the address of a new socket, good for one connection."""
    return {"url": app.new_socket_url()}


METHODS: dict[str, Entry] = {
    "api.test": Entry(people.api_test),
    "apps.connections.open": Entry(open_socket, app_token=True),
    "auth.test": Entry(people.auth_test),
    "bots.info": Entry(people.bot_info, ("users:read",)),
    "chat.delete": Entry(chat.delete, ("chat:write",)),
    "chat.getPermalink": Entry(chat.get_permalink),
    "chat.postMessage": Entry(chat.post_message, ("chat:write",)),
    "chat.update": Entry(chat.update, ("chat:write",)),
    "conversations.history": Entry(conversations.history, HISTORY),
    "conversations.info": Entry(conversations.info, READ),
    "conversations.join": Entry(conversations.join, ("channels:join",)),
    "conversations.leave": Entry(conversations.leave, ("channels:join",)),
    "conversations.list": Entry(conversations.list_all, READ),
    "conversations.members": Entry(conversations.members, READ),
    "conversations.open": Entry(conversations.open_dialog, ("im:write", "mpim:write")),
    "conversations.replies": Entry(conversations.replies, HISTORY),
    "files.completeUploadExternal": Entry(files.complete_upload, ("files:write",)),
    "files.getUploadURLExternal": Entry(files.get_upload_url, ("files:write",)),
    "files.info": Entry(files.info, ("files:read",)),
    "reactions.add": Entry(reactions.add, ("reactions:write",)),
    "reactions.get": Entry(reactions.get, ("reactions:read",)),
    "reactions.remove": Entry(reactions.remove, ("reactions:write",)),
    "team.info": Entry(people.team_info, ("team:read",)),
    "users.conversations": Entry(conversations.of_user, READ),
    "users.info": Entry(people.info, ("users:read",)),
    "users.list": Entry(people.list_all, ("users:read",)),
    "users.lookupByEmail": Entry(people.lookup_by_email, ("users:read.email",)),
}
