"""The control API: testers, scenarios and the page act as people and look at the result.

Invariant: a 2xx means that it happened; a refusal is a JSON `{"error": ...}` that says why a person could not do it.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import orjson
from aiohttp import web
from pydantic import BaseModel, ValidationError

from sandbox.telegram import control_models as models
from sandbox.telegram.control_look import ControlLook
from sandbox.telegram.entities import MAX_CAPTION, find_entities
from sandbox.telegram.errors import ApiError, ControlError
from sandbox.telegram.files import StoredFile
from sandbox.telegram.limits import RateLimits
from sandbox.telegram.methods.media import document_content, photo_content
from sandbox.telegram.schema import method_name
from sandbox.telegram.simulation import Simulation
from sandbox.telegram.views import chat_view, message_view

Model = TypeVar("Model", bound=BaseModel)
Handler = Callable[[web.Request], Awaitable[Any]]
MAX_BODY = 80 * 1024 * 1024


class ControlApi:
    """The handlers of one simulation. `ControlLook` has those that change nothing."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._look = ControlLook(simulation)

    def routes(self, prefix: str = "") -> list[web.RouteDef]:
        base = f"{prefix}/control/telegram"
        message = r"/chats/{chat_id:-?\d+}/messages/{message_id:\d+}"
        table: list[tuple[str, str, Handler]] = [
            ("POST", "/users", self.add_user),
            ("PATCH", r"/users/{user_id:\d+}", self.change_user),
            ("POST", r"/users/{user_id:\d+}/block", self.block),
            ("POST", "/chats", self.add_chat),
            ("POST", r"/chats/{chat_id:-\d+}/members", self.set_member),
            ("POST", r"/chats/{chat_id:-\d+}/topics", self.add_topic),
            ("PATCH", r"/chats/{chat_id:-\d+}/topics/{topic:\d+}", self.change_topic),
            ("POST", r"/chats/{chat_id:-\d+}/migrate", self.migrate),
            ("POST", "/messages", self.send),
            ("POST", "/messages/batch", self.send_many),
            ("PATCH", message, self.edit),
            ("DELETE", message, self.delete),
            ("PUT", f"{message}/reactions", self.react),
            ("POST", f"{message}/press", self.press),
            ("PUT", "/rate-limits", self.set_rate_limits),
            ("PUT", "/clock", self.set_clock),
            ("POST", "/faults", self.add_fault),
            ("DELETE", "/faults", self.clear_faults),
            ("DELETE", r"/faults/{fault_id:\d+}", self.remove_fault),
            ("POST", "/wait-idle", self.wait_idle),
            *self._look.table(),
        ]
        return [web.route(method, base + path, _answering(handler)) for method, path, handler in table]

    # --- people and chats -----------------------------------------------------------------------------------------

    async def add_user(self, request: web.Request) -> dict[str, Any]:
        given = await _read(request, models.NewUser)
        if given.id is not None and given.id in self._simulation.world.people:
            raise ControlError(f"user {given.id} exists", status=409)
        person = self._simulation.world.add_person(
            given.first_name,
            user_id=given.id,
            last_name=given.last_name,
            username=given.username,
            language_code=given.language_code,
        )
        self._simulation.publish("user", user=person.user())
        return {"user_id": person.id, "user": person.user()}

    async def change_user(self, request: web.Request) -> dict[str, Any]:
        given = await _read(request, models.ChangedUser)
        person = self._simulation.actions.person(int(request.match_info["user_id"]))
        for name in given.model_fields_set:
            setattr(person, name, getattr(given, name))
        self._simulation.publish("user", user=person.user())
        return {"user_id": person.id, "user": person.user(), "deactivated": person.deactivated}

    async def block(self, request: web.Request) -> dict[str, Any]:
        given = await _read(request, models.Block)
        user_id = int(request.match_info["user_id"])
        chat = self._simulation.actions.block(user_id, blocked=given.blocked, bot_id=given.bot_id)
        return {"chat_id": chat.id, "blocked": given.blocked}

    async def add_chat(self, request: web.Request) -> dict[str, Any]:
        given = await _read(request, models.NewChat)
        actions = self._simulation.actions
        bot_id = self._simulation.bot(given.bot_id).id
        if given.type == "private":
            chat = actions.open_dialog(given.user_id, given.bot_id)
            answer: dict[str, Any] = {"chat_id": chat.id}
            if given.start is not None:
                text = f"/start {given.start}".strip()
                answer["message_id"] = actions.send(given.user_id, text=text, bot_id=given.bot_id).id
        else:
            creator = actions.person(given.user_id)
            chat = actions.create_group(
                given.title or "Group",
                creator=creator,
                kind=given.type,
                is_forum=given.is_forum,
                chat_id=given.id,
                bot_status=given.bot_status,
                bot_id=given.bot_id,
            )
            for member in given.members:
                actions.set_member(chat, actions.person(member).id, "member", by=creator)
            answer = {"chat_id": chat.id}
        return {**answer, "chat": chat_view(chat, bot_id)}

    async def set_member(self, request: web.Request) -> dict[str, Any]:
        given = await _read(request, models.Member)
        actions = self._simulation.actions
        chat = actions.chat(_number(request, "chat_id"), given.bot_id)
        creator = next(member for member, status in chat.members.items() if status == "creator")
        actions.set_member(chat, given.user_id, given.status, by=actions.person(given.by or creator))
        return {"chat": chat_view(chat, self._simulation.bot(given.bot_id).id)}

    async def add_topic(self, request: web.Request) -> dict[str, Any]:
        given = await _read(request, models.NewTopic)
        actions = self._simulation.actions
        chat = actions.chat(_number(request, "chat_id"))
        if not chat.is_forum:
            raise ControlError(f"chat {chat.id} is no forum")
        topic = actions.open_topic(chat, actions.person(given.user_id).user(), given.name)
        return {"chat_id": chat.id, "topic_id": topic.id, "message_id": topic.id}

    async def change_topic(self, request: web.Request) -> dict[str, Any]:
        given = await _read(request, models.ChangedTopic)
        actions = self._simulation.actions
        chat = actions.chat(_number(request, "chat_id"))
        topic = chat.topics.get(_number(request, "topic"))
        if topic is None:
            raise ControlError(f"no topic {request.match_info['topic']} in chat {chat.id}", status=404)
        user = actions.person(given.user_id).user()
        if given.name is not None:
            actions.rename_topic(chat, user, topic, given.name)
        if given.closed is not None and given.closed != topic.closed:
            actions.close_topic(chat, user, topic, closed=given.closed)
        if given.deleted is not None:
            topic.deleted = given.deleted
        return {"chat_id": chat.id, "topic_id": topic.id, "closed": topic.closed, "deleted": topic.deleted}

    async def migrate(self, request: web.Request) -> dict[str, Any]:
        given = await _read(request, models.Migrate)
        actions = self._simulation.actions
        chat = actions.migrate(_number(request, "chat_id"), by=actions.person(given.user_id))
        return {"chat_id": chat.id, "migrated_from": _number(request, "chat_id")}

    # --- messages -------------------------------------------------------------------------------------------------

    async def send(self, request: web.Request) -> dict[str, Any]:
        return self._send(await _read(request, models.NewMessage))

    async def send_many(self, request: web.Request) -> dict[str, Any]:
        """Several messages in their order; refused as a whole up to the first that can't be sent."""
        given = await _read(request, models.NewMessages)
        return {"messages": [self._send(message) for message in given.messages]}

    def _send(self, given: models.NewMessage) -> dict[str, Any]:
        message = self._simulation.actions.send(
            given.user_id,
            given.chat_id,
            text=given.text,
            reply_to=given.reply_to,
            topic=given.topic,
            at=given.at,
            bot_id=given.bot_id,
            content=self._content(given),
        )
        chat = self._simulation.actions.chat(given.chat_id or given.user_id, given.bot_id)
        return message_view(chat, message)

    def _content(self, given: models.NewMessage) -> dict[str, Any]:
        """What a message has besides a text."""
        content: dict[str, Any] = {}
        if given.document is not None:
            content |= document_content(self._store(given.document))
        if given.photo is not None:
            content |= photo_content(self._store(given.photo))
        if given.contact is not None:
            content["contact"] = given.contact.model_dump(exclude_none=True)
        if given.location is not None:
            content["location"] = given.location.model_dump()
        if given.media_group_id is not None:
            content["media_group_id"] = given.media_group_id
        if given.forward_from is not None:
            sender = self._simulation.actions.person(given.forward_from).user()
            date = int(self._simulation.clock.now())
            content["forward_origin"] = {"type": "user", "sender_user": sender, "date": date}
        if given.caption is not None:
            if len(given.caption) > MAX_CAPTION or not content:
                raise ControlError(f"a caption has up to {MAX_CAPTION} characters and goes with a file")
            content["caption"] = given.caption
            if found := find_entities(given.caption):
                content["caption_entities"] = found
        return content

    def _store(self, file: models.File) -> StoredFile:
        try:
            content = base64.b64decode(file.content_base64, validate=True)
        except ValueError:
            raise ControlError("content_base64 is not base64") from None
        return self._simulation.files.add(file.file_name, file.mime_type, content)

    async def edit(self, request: web.Request) -> dict[str, Any]:
        given = await _read(request, models.ChangedMessage)
        chat_id, message_id = _number(request, "chat_id"), _number(request, "message_id")
        message = self._simulation.actions.edit(chat_id, message_id, given.text, at=given.at, bot_id=given.bot_id)
        return message_view(self._simulation.actions.chat(chat_id, given.bot_id), message)

    async def delete(self, request: web.Request) -> dict[str, Any]:
        chat_id, message_id = _number(request, "chat_id"), _number(request, "message_id")
        bot_id = self._look.bot_id(request)
        message = self._simulation.actions.delete(chat_id, message_id, bot_id=bot_id)
        return message_view(self._simulation.actions.chat(chat_id, bot_id), message)

    async def react(self, request: web.Request) -> dict[str, Any]:
        given = await _read(request, models.Reactions)
        chat_id, message_id = _number(request, "chat_id"), _number(request, "message_id")
        message = self._simulation.actions.react(
            given.user_id, chat_id, message_id, given.emoji, at=given.at, bot_id=given.bot_id
        )
        return message_view(self._simulation.actions.chat(chat_id, given.bot_id), message)

    async def press(self, request: web.Request) -> dict[str, Any]:
        given = await _read(request, models.Press)
        chat_id, message_id = _number(request, "chat_id"), _number(request, "message_id")
        query = self._simulation.actions.press(given.user_id, chat_id, message_id, given.data, bot_id=given.bot_id)
        return {"callback_query_id": query}

    # --- the simulation -------------------------------------------------------------------------------------------

    async def set_rate_limits(self, request: web.Request) -> dict[str, Any]:
        given = await _read(request, models.Limits)
        limits = RateLimits(**given.model_dump(exclude={"enabled"})) if given.enabled else None
        self._simulation.set_rate_limits(limits)
        return given.model_dump()

    async def set_clock(self, request: web.Request) -> dict[str, Any]:
        given = await _read(request, models.ClockScale)
        self._simulation.clock.speed = given.scale
        return {"scale": given.scale, "now": self._simulation.clock.now()}

    async def add_fault(self, request: web.Request) -> dict[str, Any]:
        given = await _read(request, models.NewFault)
        target = given.target
        if target not in {"*", "updates"}:
            try:
                target = method_name(target)
            except ApiError:
                raise ControlError(f"the Bot API has no method {target!r}") from None
        options = given.model_dump(exclude={"target", "kind"})
        return self._simulation.faults.add(target, given.kind, **options).view()

    async def clear_faults(self, request: web.Request) -> dict[str, Any]:  # noqa: ARG002 - a handler's signature
        self._simulation.faults.clear()
        return {"faults": []}

    async def remove_fault(self, request: web.Request) -> dict[str, Any]:
        self._simulation.faults.remove(_number(request, "fault_id"))
        return {"faults": [fault.view() for fault in self._simulation.faults.all()]}

    async def wait_idle(self, request: web.Request) -> dict[str, Any]:
        """Until the bots have taken every update; `idle` is false when `timeout` real seconds were not enough."""
        given = await _read(request, models.WaitIdle)
        idle = await self._simulation.wait_idle(given.timeout)
        return {"idle": idle, "pending": self._simulation.pending()}


def _number(request: web.Request, name: str) -> int:
    return int(request.match_info[name])


async def _read(request: web.Request, model: type[Model]) -> Model:
    """The request's JSON as a model; an empty body counts as `{}`."""
    body = bytearray()
    async for chunk in request.content.iter_chunked(1 << 16):
        body += chunk
        if len(body) > MAX_BODY:
            raise ControlError("the body is too large", status=413)
    try:
        return model.model_validate(orjson.loads(bytes(body)) if body else {})
    except orjson.JSONDecodeError:
        raise ControlError("the body is not valid JSON") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ControlError(f"{where}: {first['msg']}") from None


def _answering(handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The handler's result as JSON, its refusal with its status."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            result, status = await handler(request), 200
        except ControlError as error:
            result, status = {"error": str(error)}, error.status
        return web.Response(body=orjson.dumps(result), status=status, content_type="application/json")

    return answer
