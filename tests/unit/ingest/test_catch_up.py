"""History is asked for at the start, and after an outage that is longer than the platform sends again."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition

from contracts.chat_requests_v1 import ReadHistory
from contracts.keys import Platform
from services.ingest.catch_up import GIVEN_UP_SECONDS, MARGIN_SECONDS, OUTAGE, START, CatchUp


class Requests:
    """A CatchUp with a clock of the test's own, and what it has asked for so far."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.leaders: dict[TopicPartition, int] = {}
        cluster = SimpleNamespace(leader_for_partition=lambda partition: self.leaders.get(partition, 0))
        producer: Any = SimpleNamespace(client=SimpleNamespace(cluster=cluster))
        self.catch_up = CatchUp(producer, Platform.SLACK, process="x", after=300, now=lambda: self.time)

    def asked(self) -> list[ReadHistory]:
        """Kafka has them now."""
        queue = self.catch_up._requests
        self.catch_up._unpublished.clear()
        return [queue.get_nowait() for _ in range(queue.qsize())]

    def owed_since(self) -> dict[str, datetime | None]:
        return {what: request.since for what, request in self.catch_up.owed().items()}


def test_at_the_start_the_worker_decides_whether_there_was_a_gap() -> None:
    (request,) = Requests().asked()
    assert (request.only_after_gap, request.since, request.platform) == (True, None, Platform.SLACK)


def test_a_long_outage_is_asked_for_from_just_before_its_first_refusal() -> None:
    requests = Requests()
    requests.asked()
    requests.catch_up.fail(["topic/1"])
    requests.time += 301
    requests.catch_up.fail(["topic/1"])
    requests.catch_up.work(["socket", "topic/2"])
    assert requests.asked() == []
    requests.catch_up.work(["topic/1"])
    requests.catch_up.work(["topic/1"])
    (request,) = requests.asked()
    assert (request.only_after_gap, request.since) == (True, datetime.fromtimestamp(1000 - MARGIN_SECONDS, UTC))


def test_what_slack_bridges_by_itself_is_not_asked_for() -> None:
    requests = Requests()
    requests.asked()
    requests.catch_up.fail(["topic/1"])
    requests.time += 299
    requests.catch_up.work(["topic/1"])
    assert requests.asked() == []


def test_of_several_ways_that_open_at_once_the_one_shut_longest_counts() -> None:
    requests = Requests()
    requests.asked()
    requests.catch_up.fail(["topic/1"])
    requests.time += 200
    requests.catch_up.fail(["topic/2"])
    assert requests.catch_up.failing
    requests.time += 200
    requests.catch_up.work(["topic/2", "topic/1"])
    (request,) = requests.asked()
    assert request.since == datetime.fromtimestamp(1000 - MARGIN_SECONDS, UTC)
    assert not requests.catch_up.failing


def test_one_outage_is_asked_for_once_however_many_ways_open_after_it() -> None:
    requests = Requests()
    requests.asked()
    requests.catch_up.fail(["topic/1"])
    requests.time += 10
    requests.catch_up.fail(["topic/2"])
    requests.time += 400
    requests.catch_up.work(["topic/2"])
    (request,) = requests.asked()
    assert request.since == datetime.fromtimestamp(1000 - MARGIN_SECONDS, UTC)
    requests.time += 5
    requests.catch_up.work(["topic/1"])
    assert requests.asked() == []


def test_an_outage_is_owed_from_its_first_refusal_until_kafka_has_its_request() -> None:
    requests = Requests()
    assert requests.owed_since() == {START: None}
    requests.asked()
    requests.catch_up.changed.clear()
    requests.catch_up.fail(["topic/1"])
    assert requests.catch_up.changed.is_set()
    begin = datetime.fromtimestamp(1000 - MARGIN_SECONDS, UTC)
    requests.time += 301
    assert requests.owed_since() == {OUTAGE: begin}
    requests.catch_up.work(["topic/1"])
    assert requests.owed_since() == {OUTAGE: begin}
    requests.asked()
    assert requests.owed_since() == {}


def test_an_outage_that_slack_bridges_is_owed_only_while_it_lasts() -> None:
    requests = Requests()
    requests.asked()
    requests.catch_up.fail(["topic/1"])
    requests.catch_up.changed.clear()
    requests.catch_up.work(["topic/1"])
    assert requests.owed_since() == {}
    assert requests.catch_up.changed.is_set()


def test_what_was_refused_is_asked_for_though_nothing_comes_by_that_way_any_more() -> None:
    """A quiet channel's message, given up by Slack, doesn't wait for the channel's next one."""
    requests = Requests()
    requests.asked()
    requests.catch_up.fail(["topic/1"])
    requests.time += 360  # Slack's last try
    requests.catch_up.fail(["topic/1"])
    requests.time += GIVEN_UP_SECONDS - 1
    requests.catch_up.fail(["topic/2"])
    requests.catch_up.give_up()
    assert requests.asked() == []  # it may come again
    requests.time += 2
    requests.catch_up.give_up()
    requests.catch_up.give_up()
    (request,) = requests.asked()
    assert request.since == datetime.fromtimestamp(1000 - MARGIN_SECONDS, UTC)
    requests.time += GIVEN_UP_SECONDS
    requests.catch_up.work(["topic/1", "topic/2"])
    requests.catch_up.give_up()
    assert requests.asked() == []  # the other way's was read with it


def test_what_a_partition_without_a_leader_refused_is_asked_for_once_it_has_one() -> None:
    requests = Requests()
    requests.asked()
    requests.catch_up.fail(["topic/1"])
    requests.leaders[TopicPartition("topic", 1)] = -1
    requests.time += GIVEN_UP_SECONDS + 1
    requests.catch_up.give_up()
    assert requests.asked() == []
    requests.leaders.clear()
    requests.catch_up.give_up()
    assert len(requests.asked()) == 1


def test_a_connection_that_is_down_is_not_given_up() -> None:
    requests = Requests()
    requests.asked()
    for _ in range(200):
        requests.catch_up.fail(["socket"])
        requests.catch_up.give_up()
        requests.time += 10
    assert requests.asked() == []
