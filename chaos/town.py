"""The town of a campaign: people, channels, dialogs and agents, made before the first act."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from chaos.hands import Hands, Json
from chaos.traffic import Town
from contracts import keys

TOGETHER = 32
STRENGTHS = {"rate_limits": True, "disable_failing": False}
"""Slack would disable a subscription that fails for an hour; a campaign squeezes hours into minutes."""


@dataclass(frozen=True, slots=True)
class Settled:
    """Platform ids by the numbers of the schedule; a Telegram dialog's chat is its person."""

    town: Town
    bot_id: str
    people: list[str]
    channels: list[str]
    agents: list[str]

    def channel_key(self, channel: int) -> str:
        if self.town.is_slack(channel):
            return keys.slack_channel(self.channels[channel])
        return keys.telegram_channel(self.bot_id, self.channels[channel])


async def settle(hands: Hands, town: Town, bot_id: str, speed: float) -> Settled:
    """Everybody moves in; the platforms' waits pass `speed` times as fast as real ones."""
    await hands.slack("PATCH", "/settings", {"speed": speed, **STRENGTHS})
    await hands.telegram("PUT", "/clock", {"scale": speed})
    slots = asyncio.Semaphore(TOGETHER)

    async def person(number: int) -> str:
        async with slots:
            made = await hands.slack("POST", "/users", {"name": f"person.{number}", "display_name": f"Person {number}"})
        return str(_of(made.body, "user")["id"])

    async def channel(number: int) -> str:
        async with slots:
            if town.is_slack(number):
                made = await hands.slack("POST", "/channels", {"name": f"help-{number}", "type": "public"})
                return str(_of(made.body, "channel")["id"])
            made = await hands.telegram("POST", "/users", {"first_name": f"Person {number}"})
            return str(made.body["user_id"])

    async def agent(number: int) -> str:
        made = await hands.api("POST", "/agents", {"name": f"Agent {number}", "role": "agent", "identities": []})
        return str(made.body["id"])

    people = await asyncio.gather(*map(person, range(town.people)))
    channels = await asyncio.gather(*map(channel, range(town.channels + town.dialogs)))
    agents = await asyncio.gather(*map(agent, range(town.agents)))
    return Settled(town, bot_id, people, channels, agents)


def _of(body: Json, name: str) -> Json:
    return dict(body[name])
