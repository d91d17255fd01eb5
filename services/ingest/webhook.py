"""What both platforms' webhooks share: a verified body becomes an answer, 2xx only after Kafka has its events."""

import json
import time

import orjson

from chassis import metrics
from chassis.logs import get_logger
from services.ingest.asgi import Answer
from services.ingest.parsed import storable
from services.ingest.publish import Intake, TooLarge, Unavailable

RETRY_AFTER_SECONDS = 1
log = get_logger(__name__)


def count_from_zero(platform: str, *reasons: str) -> None:
    """What alerts are about is counted from 0: what Kafka takes and doesn't take, and refusals by their reasons."""
    metrics.from_zero(metrics.webhook_requests, [platform], ("accepted", "unavailable"))
    metrics.from_zero(metrics.webhook_signature_failures, [platform], reasons)


def refuse(platform: str, status: int, reason: str, detail: str) -> Answer:
    """An answer to a request that isn't the platform's, logged and counted by its reason."""
    metrics.webhook_signature_failures.labels(platform, reason).inc()
    log.warning("webhook refused", platform=platform, reason=reason)
    return Answer(status, reason, {"error": reason, "detail": detail})


def load_object(body: bytes) -> dict[str, object] | None:
    """The JSON object in a body of UTF-8, or None if it is none, or neither parser reads it: nested too deep, a number
    of thousands of digits.

    The standard library reads what the faster parser refuses: half a surrogate pair, where a platform cut an emoji.
    """
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            payload = storable(json.loads(body.decode(errors="surrogatepass")))
        except (ValueError, RecursionError):
            return None
    return payload if isinstance(payload, dict) else None


NOT_JSON = Answer(400, "not_json", {"error": "not_json", "detail": "the body is not a JSON object"})


async def accept(intake: Intake, platform: str, body: bytes, payload: dict[str, object]) -> Answer:
    """Publish, then answer: 200 kept (also what can't be read any further: in the dead letters), 413 more than Kafka
    takes in a record, 503 Kafka is away (the platform sends again).
    """
    started = time.perf_counter()
    try:
        await intake.take(body, payload)
    except Unavailable as error:
        log.warning("webhook not accepted", platform=platform, reason=str(error))
        return Answer(503, "unavailable", {"error": "unavailable"}, {"retry-after": str(RETRY_AFTER_SECONDS)})
    except TooLarge as error:
        log.warning("webhook too large", platform=platform, reason=str(error))
        return Answer(413, "too_large", {"error": "too_large", "detail": "it does not fit a record"})
    metrics.webhook_publish.labels(platform).observe(time.perf_counter() - started)
    return Answer(200, "accepted")


def count(platform: str, answer: Answer) -> Answer:
    metrics.webhook_requests.labels(platform, answer.outcome).inc()
    return answer
