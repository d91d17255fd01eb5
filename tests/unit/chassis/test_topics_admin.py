from typing import Any

import pytest

from chassis import topics_admin
from contracts.topics import TOPICS

NAMES = list(TOPICS)


class Cluster:
    """Three brokers; the first topic has two copies, the second one, the others aren't there."""

    async def describe_cluster(self) -> dict[str, Any]:
        return {"brokers": [{}, {}, {}]}

    async def describe_topics(self) -> list[dict[str, Any]]:
        return [
            {"topic": NAMES[0], "partitions": [{"replicas": [1, 2]}]},
            {"topic": NAMES[1], "partitions": [{"replicas": [1]}]},
        ]


@pytest.mark.parametrize(("asked", "in_sync"), [(None, ["1", "1", "2"]), (3, ["2", "2", "2"]), (2, ["1", "1", "1"])])
async def test_a_topic_can_be_written_while_a_broker_restarts(asked: int | None, in_sync: list[str]) -> None:
    """A topic keeps its number of copies, so what it needs to be written follows that unless another is asked for."""
    wanted = {one.name: one.config for one in await topics_admin._wanted(Cluster(), asked)}
    assert [wanted[name]["min.insync.replicas"] for name in NAMES[:3]] == in_sync
