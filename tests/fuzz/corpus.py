"""The kept inputs of each target: what to begin from, and what once failed. One file each in `corpus/<target>/`."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"


def seeds(target: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((FOLDER / target).iterdir())]
