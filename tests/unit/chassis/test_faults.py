import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from chassis import faults
from chassis.errors import DataError, Transient
from chassis.faults import fault_point


@pytest.fixture(autouse=True)
def _off_afterwards() -> Iterator[None]:
    yield
    faults.configure()


async def test_without_a_setting_nothing_happens(tmp_path: Path) -> None:
    faults.configure("", tmp_path)
    await fault_point("router.committed")
    assert not list(tmp_path.iterdir())


async def test_a_reached_point_leaves_a_file_and_acts(tmp_path: Path) -> None:
    faults.configure("router.committed=error:broken", tmp_path)
    await fault_point("router.handled")
    with pytest.raises(RuntimeError, match="broken"):
        await fault_point("router.committed")
    assert [path.name for path in tmp_path.iterdir()] == ["router.committed.reached"]


async def test_a_point_can_act_at_one_turn_only(tmp_path: Path) -> None:
    faults.configure("a=transient@2, b=data:bad", tmp_path)
    await fault_point("a")
    assert not (tmp_path / "a.reached").exists()
    with pytest.raises(Transient):
        await fault_point("a")
    await fault_point("a")
    with pytest.raises(DataError, match="bad"):
        await fault_point("b")


async def test_a_held_point_goes_on_when_the_file_is_there(tmp_path: Path) -> None:
    go = tmp_path / "go"
    faults.configure(f"a=hold:{go}", tmp_path)
    held = asyncio.create_task(fault_point("a"))
    done, _ = await asyncio.wait({held}, timeout=0.05)
    assert not done
    go.touch()
    await held


async def test_a_point_does_once_what_a_file_says_when_it_is_there(tmp_path: Path) -> None:
    order = tmp_path / "order"
    faults.configure(f"a=file:{order}", tmp_path)
    await fault_point("a")
    assert not (tmp_path / "a.reached").exists()
    order.write_text("error:broken\n")
    with pytest.raises(RuntimeError, match="broken"):
        await fault_point("a")
    assert (tmp_path / "a.reached").exists()
    await fault_point("a")


@pytest.mark.parametrize("points", ["a", "a=", "=kill", "a=explode", "a=kill@x", "a=hold", "a=file"])
def test_what_cannot_be_understood_is_refused(points: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="FAULT_POINTS"):
        faults.configure(points, tmp_path)


def test_points_need_a_folder_to_report_to() -> None:
    with pytest.raises(ValueError, match="FAULT_DIRECTORY"):
        faults.configure("a=kill")


def test_every_point_of_the_chassis_has_its_sentence() -> None:
    assert all(sentence.endswith(".") for sentence in faults.POINTS.values())
