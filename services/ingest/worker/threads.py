"""The beginning of a thread, one page a step.

What a page shows is published in the transaction that moves on from it: a limit of Slack's or a killed worker costs one
page, no words wait in a job, and a page that is read twice has the same ids.
"""

from dataclasses import replace
from datetime import UTC, datetime

from contracts.chat import Channel
from contracts.chat_events_v1 import MessagePosted
from services.ingest.worker import history
from services.ingest.worker.jobs import Job
from services.ingest.worker.slack_reads import SlackReads


async def read(slack: SlackReads, job: Job) -> tuple[list[MessagePosted], Job | None]:
    """The root and replies of the job's page that are older than its time, oldest first, as backfilled events with the
    ids they always have; and the job as it goes on, or None after the last page. Raises what Slack answers otherwise.
    """
    channel, before = Channel.model_validate(job.payload["channel"]), datetime.fromisoformat(job.payload["before"])
    page = await slack.replies(channel, job.payload["thread"], job.payload.get("cursor"))
    shown = history.readable(page.messages, await slack.envelope(channel), channel, datetime.now(UTC))
    posts = [event for one in shown for event in one.events if isinstance(event, MessagePosted)]
    return [post for post in posts if post.occurred_at < before], _at(job, page.cursor) if page.cursor else None


def _at(job: Job, cursor: str) -> Job:
    return replace(job, payload={**job.payload, "cursor": cursor, "refusals": 0})
