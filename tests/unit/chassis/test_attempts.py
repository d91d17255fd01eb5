import pytest

from chassis.attempts import Attempt, Step


@pytest.mark.parametrize(
    ("attempt", "step"),
    [
        (Attempt(), Step.WHOLE),
        (Attempt(failures=1), Step.WHOLE),
        (Attempt(failures=2), Step.SAVEPOINTS),  # the third attempt
        (Attempt(deaths=1), Step.WHOLE),  # a kill by an operator
        (Attempt(deaths=1, failures=1), Step.WHOLE),
        (Attempt(deaths=2), Step.ALONE),
        (Attempt(deaths=2, failures=5), Step.ALONE),  # savepoints don't survive a death
        (Attempt(deaths=1, deaths_alone=1), Step.ALONE),
        (Attempt(deaths=4, deaths_alone=2), Step.ALONE),
        (Attempt(deaths=5, deaths_alone=3), Step.BURY),
    ],
)
def test_earlier_attempts_decide_how_records_are_handled(attempt: Attempt, step: Step) -> None:
    assert attempt.step is step
