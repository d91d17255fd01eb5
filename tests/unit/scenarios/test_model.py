"""Scenario files are read strictly: a misspelt word is refused with its place."""

import pytest
from pydantic import ValidationError

from sandbox.scenarios.model import STORIES, Scenario, load


@pytest.mark.parametrize("name", STORIES)
def test_the_stories_are_well_formed_and_their_names_known(name: str) -> None:
    scenario = load(name)
    saved: set[str] = set()
    assert len({step.name for step in scenario.steps}) == len(scenario.steps)
    for step in scenario.steps:
        if step.do.post is not None:
            assert step.do.post.by in scenario.people
            saved |= {step.do.post.save} if step.do.post.save else set()
        if step.see.ticket is not None:
            assert step.see.ticket.of in saved
        assert step.see.ticket is not None or step.see.chat is not None, f"{step.name} looks at nothing"


def story(**step: object) -> dict[str, object]:
    return {"title": "x", "people": {"a": {"name": "A"}}, "steps": [{"name": "s", **step}]}


@pytest.mark.parametrize(
    ("step", "place"),
    [
        ({"do": {"pots": {}}, "see": {}}, "steps.0.do.pots"),
        ({"do": {}, "see": {}}, "steps.0.do"),
        ({"do": {"close": "t", "delete": "m"}, "see": {}}, "steps.0.do"),
        ({"do": {"close": "t"}, "see": {"ticket": {"off": "m"}}}, "steps.0.see.ticket.off"),
    ],
)
def test_what_is_misspelt_is_named_with_its_place(step: dict[str, object], place: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Scenario.model_validate(story(**step))
    assert place in {".".join(map(str, error["loc"])) for error in refused.value.errors()}
