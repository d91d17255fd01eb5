"""Documents that list topics say what the registry says."""

from pathlib import Path

from contracts.topics import TOPICS

ROOT = Path(__file__).parents[3]


def test_the_architecture_page_lists_every_topic_as_the_registry_has_it() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    for topic in TOPICS.values():
        kept = "compacted" if topic.retention is None else f"{topic.retention.days} days"
        row = f"| `{topic.name}` | {topic.key} | {', '.join(topic.producers)} | {', '.join(topic.consumers)} | {kept} |"
        assert row in page, row
