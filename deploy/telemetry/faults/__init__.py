"""Faults of the running stack, each with the alerts that it must make fire: begun, kept up until they do, ended."""

from __future__ import annotations

from pathlib import Path

from deploy.telemetry.faults import arrivals, platforms, processes, servers
from deploy.telemetry.faults.fault import Fault, Scene

__all__ = ["FAULTS", "Fault", "Scene", "settings"]

FAULTS = (
    (
        Fault(
            "nobody hears Slack, and nobody may read its history",
            frozenset({"OknoMessagesMissed"}),
            processes.not_heard,
        ),
    ),
    (
        Fault("a stranger posts to the webhook", frozenset({"OknoSignatureFailures"}), arrivals.stranger),
        Fault("Slack sends a message without a channel", frozenset({"OknoPayloadsBroken"}), arrivals.broken_payload),
        Fault(
            "more records that are no JSON than there is room for",
            frozenset({"OknoDeadLettersWait", "OknoDeadLettersNotStored"}),
            arrivals.poison,
        ),
        Fault(
            "the lease in the hand of nobody who lives", frozenset({"OknoRelayLeaseUnheld"}), servers.lease_of_nobody
        ),
    ),
    (
        Fault(
            "the router waits with a batch in hand",
            frozenset({"OknoConsumerLags", "OknoLoopStuck"}),
            processes.router_waits,
            after=frozenset({"OknoTicketsLate"}),
            least=30,
        ),
    ),
    (
        Fault(
            "relays wait with rows in hand",
            frozenset({"OknoOutboxWaits", "OknoRelayLeaseTwice"}),
            processes.relay_waits,
            after=frozenset({"OknoRepliesLate"}),
            # Replies of the first 45 s are late then: a quarter of those of the long window, which is 180 s here.
            least=75,
        ),
        Fault("the collector is away", frozenset({"OknoSpansLost"}), processes.no_collector),
    ),
    (
        Fault("Slack revokes the token", frozenset({"OknoDeliveriesFail"}), platforms.revoked),
        Fault("Telegram cuts its answers off", frozenset({"OknoDeliveriesUnknown"}), platforms.cut_off),
    ),
    (
        Fault(
            "Telegram answers 429 to everything",
            frozenset({"OknoPlatformUnreachable", "OknoTransportDown", "OknoDeliveriesWait"}),
            platforms.telegram_away,
        ),
        Fault("two processes read the same partitions", frozenset({"OknoPositionsRefused"}), processes.read_twice),
        Fault("statements wait for a lock", frozenset({"OknoPoolWaits"}), servers.table_locked),
    ),
    (
        Fault("many answers in one channel", frozenset({"OknoRateLimitWaits"}), platforms.many_answers),
        Fault("a process gets no CPU", frozenset({"OknoEventLoopBlocked"}), processes.starved),
    ),
    (Fault("the router is killed", frozenset({"OknoProcessDown", "OknoProcessMissing"}), processes.no_router),),
    (Fault("a process starts again and again", frozenset({"OknoProcessRestarts"}), processes.restarts),),
    (Fault("Kafka is stopped", frozenset({"OknoWebhooksRefused"}), servers.no_kafka),),
    (
        Fault(
            "PostgreSQL is stopped",
            frozenset({"OknoApiFails", "OknoProcessNotReady", "OknoConsumerRetries"}),
            servers.no_postgres,
        ),
    ),
)
"""In an order in which none disturbs the next for long; those of a group go at once. Those whose alerts look back
longest come first, so that their ends come while others are proven.
"""


def settings(points: Path) -> dict[str, dict[str, str]]:
    """What processes must be started with, by name or kind; `points` is the scene's."""
    return {**processes.waiting(points), "ticketing-worker": {"DEAD_LETTERS_MAX": str(arrivals.ROOM)}}
