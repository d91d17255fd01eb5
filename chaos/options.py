"""What a person can choose about campaigns."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from chaos.mutants import MUTANTS
from chaos.nemesis_plan import GROUPS, Group
from chaos.traffic import Town
from chaos.versions import last_tag
from sandbox.stack.paths import ROOT, STATE

RESULTS = ROOT / "bench" / "chaos-results.json"


@dataclass(frozen=True, slots=True)
class Options:
    """A campaign for each seed. `rate` is acts a second; the platforms' waits pass `speed` times as fast;
    `patience` is for how many seconds recovery and rest are waited for. `proof`: each
    seed must see the mutant. `beside` is the revision of the other version.
    """

    seeds: tuple[int, ...] = (1,)
    minutes: float = 3.0
    groups: tuple[Group, ...] = GROUPS
    rate: float = 25.0
    speed: float = 10.0
    patience: float = 120.0
    mutant: str | None = None
    proof: bool = False
    results: Path | None = None
    beside: str | None = None
    state: Path = STATE / "chaos"
    town: Town = field(default_factory=Town)


def parse(arguments: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--seed", type=int, nargs="+", help="one campaign each (default 1)")
    parser.add_argument("--minutes", type=float, help="how long a campaign breaks things (default 3, for a mutant 1)")
    parser.add_argument("--faults", help=f"groups (default {','.join(GROUPS)}; none: no faults)")
    parser.add_argument("--rate", type=float, help="acts of people and agents a second (default 25)")
    parser.add_argument("--mutant", choices=sorted(MUTANTS), help="run with code that is broken on purpose")
    parser.add_argument("--times", type=int, help="one seed after another; exit code 0 only if each saw the mutant")
    parser.add_argument("--results", type=Path, help="add what was found to this file")
    parser.add_argument("--beside", help="the git revision to run beside this version (default: the last tag)")
    given = parser.parse_args(arguments)
    named = ("minutes", "rate", "mutant", "results", "beside")
    chosen = {name: value for name in named if (value := getattr(given, name)) is not None}
    if given.seed:
        chosen["seeds"] = tuple(given.seed)
    if given.beside is None and (tag := last_tag()) is not None:
        chosen["beside"] = tag
    if given.mutant is not None:
        chosen["patience"] = 15.0  # what it breaks may never come to rest
        chosen.setdefault("minutes", 1.0)
    if given.times is not None:
        if given.mutant is None or given.times < 1 or len(given.seed or [1]) > 1:
            parser.error("--times N is for one --mutant, from one --seed on")
        first = given.seed[0] if given.seed else 1
        chosen.update(seeds=tuple(range(first, first + given.times)), proof=True)
    if given.faults is not None:
        groups = tuple(one for one in given.faults.split(",") if one and one != "none")
        if unknown := set(groups) - set(GROUPS):
            parser.error(f"no such faults: {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}")
        chosen["groups"] = cast("tuple[Group, ...]", groups)
    return replace(Options(), **chosen)
