"""The long run: atheris, guided by coverage, from the kept inputs; JSON is also changed as a tree.

    python -m tests.fuzz TARGET [libFuzzer's options, such as -runs=100000 -max_total_time=60]

A failure ends it and leaves its input in the current folder, to be kept in `corpus/TARGET/` with the fix.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from pathlib import Path
from random import Random

import atheris

from tests.fuzz.corpus import FOLDER

with atheris.instrument_imports(include=["contracts", "services"]):
    from tests.fuzz.mutate import mutate
    from tests.fuzz.targets import TARGETS

TREES = 0.95
LONGEST = {"reply": 1000}
"""Bytes of an input, 60,000 else. All marks of a reply fit into few; time over long ones is compared in test_fuzz."""


def _mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """Mostly one change of the tree, else libFuzzer's own of the bytes: several in a row leave little that is JSON."""
    random = Random(seed)
    if random.random() < TREES:
        with contextlib.suppress(ValueError, RecursionError):
            start = data.index(b"{")
            changed = data[:start] + json.dumps(mutate(json.loads(data[start:]), random)).encode()
            if len(changed) <= max_size:
                return changed
    mutated: bytes = atheris.Mutate(data, max_size)
    return mutated


def main() -> None:
    name, *options = sys.argv[1:]
    trees = {"custom_mutator": _mutate} if name in {"slack_payload", "telegram_update", "record"} else {}
    with tempfile.TemporaryDirectory() as found:
        for kept in (FOLDER / name).iterdir():
            (Path(found) / kept.name).write_bytes(kept.read_bytes())
        longest = f"-max_len={LONGEST.get(name, 60_000)}"
        atheris.Setup([sys.argv[0], found, longest, "-print_final_stats=1", *options], TARGETS[name], **trees)
        atheris.Fuzz()


main()
