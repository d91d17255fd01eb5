"""Members of consumer groups that won't come back: without this their partitions wait for the end of their sessions."""

from __future__ import annotations

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.group import LeaveGroupRequest

GROUPS = ("ingest-worker", "notifier", "router", "ticketing", "ticketing-dead-letters")


async def dismiss(bootstrap_servers: str, name: str = "") -> None:
    """The members of this name (else all of them) leave Okno's groups. None of them may run."""
    prefix = f"{name}-" if name else ""  # a static member's id begins with its name
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        for group in GROUPS:
            node = await admin.find_coordinator(group)
            (answer,) = await admin.describe_consumer_groups([group], node)  # the client misreads answers about several
            for _, _, _, _, _, members, *_ in answer.groups:
                for member_id in [member[0] for member in members if member[0].startswith(prefix)]:
                    await admin._send_request(LeaveGroupRequest(group, member_id), node)
    finally:
        await admin.close()
