"""Figures are medians over rounds, ratios are taken within a round, and what is not reached is said."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from bench.hops import rows_a_message
from bench.measure import Latency, Run
from bench.numbers import Spread, percentile, ratio
from bench.options import Options, parse
from bench.profiling import hot_spots
from bench.report import Results, results_of
from bench.rounds import Measured, Rounds
from bench.table import grid, lines


def run(per_second: float, p50: float, p99: float, cpu: dict[str, float]) -> Run:
    return Run(1000, per_second, Latency(p50, p99, p50 / 2, p99 / 2), cpu, 0.05, 0)


def measured(per_second: float, p50: float, p99: float, name: str, cpu: float) -> Measured:
    one = run(per_second, p50, p99, {name: cpu, "kafka": 100.0})
    return Measured(one, one, one, {"router.messages insert": 1.0}, {name: 100.0, "kafka": 400.0, "sandbox": 200.0})


def results(*, okno_per_second: float = 2400.0, p99: float = 40.0) -> Results:
    rounds = Rounds(
        floor=[measured(4000, 7, 20, "floor-router", 50), measured(2000, 14, 40, "floor-router", 50)],
        okno=[
            measured(okno_per_second, 10, p99, "router-0", 150),
            measured(okno_per_second / 2, 20, p99, "router-0", 150),
        ],
        memory_mb={"router-0": 101.23, "kafka": 400.0, "sandbox": 200.0},
    )
    return results_of(rounds, Options(), commit="abc", machine={}, record_bytes={"floor": {"a": 1}, "okno": {"a": 2}})


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(number) for number in range(1, 101)]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile([3.0], 0.99)) == (50.0, 99.0, 3.0)


def test_a_drifting_machine_does_not_move_a_ratio() -> None:
    assert ratio([2000.0, 1000.0, 500.0], [4000.0, 2000.0, 1000.0]) == Spread(0.5, 0.5, 0.5, [0.5, 0.5, 0.5])


def test_the_results_hold_what_others_read() -> None:
    made = orjson.loads(orjson.dumps(results()))
    assert made["throughput"]["ratio"] == 0.6
    assert made["latency_100"]["p50_ratio"] == pytest.approx((10 / 7 + 20 / 14) / 2, abs=0.001)
    assert made["latency_100"]["p99_ratio"] == 1.5
    assert made["latency_one"]["okno"]["p99_ms"]["median"] == 40.0
    assert made["memory_mb"]["router-0"] == 101.2
    assert made["memory_largest_mb"] == 101.2, "neither servers nor stand-ins count"
    assert made["cpu_us_per_message"] == {"router-0": 150.0, "kafka": 100.0, "total": 250.0}
    assert made["cpu_ratio"] == round(250 / 150, 3)
    assert (made["commit"], made["sampling_ratio"]) == ("abc", 0.1)


def test_what_is_not_reached_is_named() -> None:
    made = results(okno_per_second=1000, p99=200)
    assert not made["targets"]["throughput.ratio"]["reached"]
    assert not made["targets"]["latency_100.p99_ratio"]["reached"]
    assert made["targets"]["latency_100.p50_ratio"]["reached"]
    shown = [line for line in lines(made) if "NOT REACHED" in line]
    assert [line.split(",")[0].strip() for line in shown] == ["throughput", "latency at 100/s p99"]


def test_the_table_shows_both_sides() -> None:
    text = "\n".join(lines(results()))
    assert "router.messages insert" in text
    assert "floor-router" in text
    assert "router-0" in text


def test_a_grid_lines_up() -> None:
    assert list(grid(("a", "b"), [("long", "1"), ("x", "22")])) == ["  a     b", "  long  1", "  x     22"]


def test_rows_are_told_by_table_and_rare_ones_left_out() -> None:
    before = {"floor_router.messages": (10, 0, 0, 2)}
    after = {"floor_router.messages": (110, 0, 0, 2), "floor_router.outbox": (100, 1, 100, 1)}
    assert rows_a_message(before, after, 100 * 2) == {
        "router.messages insert": 0.5,
        "router.outbox insert": 0.5,
        "router.outbox delete": 0.5,
    }


def test_options() -> None:
    assert parse([]) == Options()
    assert parse(["--rounds", "5", "--memory-minutes", "10"]).memory_minutes == 10
    quick = parse(["--quick", "--messages", "700"])
    assert (quick.rounds, quick.messages, quick.memory_minutes) == (1, 700, 0)


def test_a_wrong_option_is_refused() -> None:
    with pytest.raises(SystemExit):
        parse(["--rounds", "0"])


def test_hot_spots_share_the_cpu_time(tmp_path: Path) -> None:
    written = tmp_path / "profile"
    counts = {"/x/site-packages/pydantic/main.py:10:validate": 30, "/x/lib/python3.11/enum.py:1:get": 10}
    written.write_bytes(orjson.dumps({"taken": 100, "own": counts, "total": counts}))
    said = hot_spots(written, cpu_us=400)
    assert "    120.0  pydantic/main.py:10:validate" in said
    assert "     40.0  3.11/enum.py:1:get" in said
