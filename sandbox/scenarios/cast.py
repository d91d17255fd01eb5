"""The people, channels, messages and tickets of one scenario by their names in it, made fresh for each playing."""

import uuid
from dataclasses import dataclass, field
from typing import Any

from sandbox.scenarios.clients import Clients, Written
from sandbox.scenarios.model import Scenario

Json = dict[str, Any]


@dataclass(slots=True)
class Cast:
    """`users` are ids in the chats, `agents` ids in the API, `tickets` ticket ids."""

    scenario: Scenario
    users: dict[str, str] = field(default_factory=dict)
    agents: dict[str, str] = field(default_factory=dict)
    channels: dict[str, str] = field(default_factory=dict)
    messages: dict[str, Written] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    tickets: dict[str, str] = field(default_factory=dict)
    traces: dict[str, str] = field(default_factory=dict)

    def name(self, person: str) -> str:
        return self.scenario.people[person].name

    def dialog(self, person: str) -> str:
        """A private chat with a Telegram bot has the person's id."""
        return self.users[person]


async def assemble(scenario: Scenario, clients: Clients) -> Cast:
    """Create whom and what the scenario needs, and apply its policy."""
    cast = Cast(scenario)
    unique = uuid.uuid4().hex[:8]
    for short, person in scenario.people.items():
        if person.platform == "slack":
            body: Json = {"name": f"{short}.{unique}", "display_name": person.name, "staff": person.role is not None}
            cast.users[short] = (await clients.slack("POST", "/users", body))["user"]["id"]
        elif person.platform == "telegram":
            cast.users[short] = str((await clients.telegram("POST", "/users", {"first_name": person.name}))["user_id"])
        if person.role is not None:
            identities = [f"{person.platform}:{cast.users[short]}"] if person.platform else []
            agent = {"name": person.name, "role": person.role, "identities": identities}
            cast.agents[short] = (await clients.api("POST", "/agents", agent))["id"]
    for short, title in scenario.channels.items():
        made = await clients.slack("POST", "/channels", {"name": f"{title}-{unique}", "type": "public"})
        cast.channels[short] = made["channel"]["id"]
    if scenario.policy is not None:
        await clients.api("PUT", "/policy", scenario.policy)
    return cast
