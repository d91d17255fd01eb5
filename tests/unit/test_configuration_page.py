"""docs/configuration.md tells every setting of every process."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from chassis.settings import Settings

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in (ROOT / "services").glob("*/settings.py")
)


def settings_of(module: str) -> Iterator[type[Settings]]:
    for found in vars(importlib.import_module(module)).values():
        if isinstance(found, type) and issubclass(found, Settings):
            yield found


def test_there_are_settings_to_look_at() -> None:
    assert "services.router.settings" in MODULES


@pytest.mark.parametrize("module", MODULES)
def test_every_setting_is_described_exemplified_and_documented(module: str) -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    for group in settings_of(module):
        for name, field in group.model_fields.items():
            assert field.description, name
            assert field.examples, name
            assert f"`{name.upper()}`" in page, f"{name.upper()} is missing in docs/configuration.md"
