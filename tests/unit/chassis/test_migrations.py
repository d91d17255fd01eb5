from pathlib import Path

import pytest

from chassis.migrations import CHASSIS, MigrationRefused, migrations_in


def test_files_are_applied_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    (tmp_path / "0002_b.sql").write_text("SELECT 2")
    (tmp_path / "0001_a.sql").write_text("SELECT 1")
    assert [migration.name for migration in migrations_in("x", tmp_path)] == ["0001_a", "0002_b"]


@pytest.mark.parametrize(
    "names", [["0002_a.sql"], ["0001_a.sql", "0001_b.sql"], ["0001_a.sql", "0003_b.sql"], ["a.sql"]]
)
def test_a_gap_or_a_repetition_is_refused(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1")
    with pytest.raises(MigrationRefused):
        migrations_in("x", tmp_path)


def test_a_file_can_ask_for_no_transaction(tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").write_text("-- no transaction\nCREATE INDEX CONCURRENTLY ...")
    (tmp_path / "0002_b.sql").write_text("SELECT 1")
    assert [migration.in_transaction for migration in migrations_in("x", tmp_path)] == [False, True]


def test_the_chassis_has_its_own() -> None:
    assert migrations_in(*CHASSIS)[0].name == "0001_chassis"
