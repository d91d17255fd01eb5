"""The chart as Helm renders it, and the programs that tests need. Without them tests are skipped: `deploy/verify-chart`
builds them.
"""

from __future__ import annotations

import base64
import functools
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "okno"
CI_VALUES = sorted((CHART / "ci").glob("*-values.yaml"))

Document = dict[str, Any]
Render = Callable[..., list[Document]]


def tool(name: str) -> str | None:
    """The one that deploy/tools made, or the path's."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    made = Path(os.environ.get("OKNO_TOOLS") or cache / "okno" / "tools") / "bin" / name
    return str(made) if made.exists() else shutil.which(name)


@pytest.fixture(scope="session")
def template() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `helm template` with CI value files (by name), `--set`s and `--set-json`s."""
    program = tool("helm")
    if program is None:
        pytest.skip("there is no helm; deploy/verify-chart builds one and runs these tests")

    def run(*values: str, sets: tuple[str, ...] = (), jsons: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        files = [part for name in values for part in ("-f", str(CHART / "ci" / f"{name}-values.yaml"))]
        chosen = [part for one in sets for part in ("--set", one)]
        chosen += [part for one in jsons for part in ("--set-json", one)]
        command = [program, "template", "okno", str(CHART), "--namespace", "support", "--kube-version", "1.34.2"]
        return subprocess.run([*command, *files, *chosen], capture_output=True, text=True, check=False)

    return run


@pytest.fixture(scope="session")
def render(template: Callable[..., subprocess.CompletedProcess[str]]) -> Render:
    """The resources of a rendered chart, not to be changed; values that are refused fail the test."""

    @functools.cache
    def run(*values: str, sets: tuple[str, ...] = (), jsons: tuple[str, ...] = ()) -> list[Document]:
        done = template(*values, sets=sets, jsons=jsons)
        assert done.returncode == 0, done.stderr
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        return [document for document in yaml.load_all(done.stdout, loader) if document]

    return run


@pytest.fixture(scope="session", params=[path.name.removesuffix("-values.yaml") for path in CI_VALUES])
def any_values(request: pytest.FixtureRequest) -> str:
    """Each of the value files of `ci/`."""
    return str(request.param)


def of_kind(documents: list[Document], *kinds: str) -> Iterator[Document]:
    yield from (document for document in documents if document["kind"] in kinds)


def named(documents: list[Document], kind: str, name: str) -> Document:
    (found,) = (one for one in of_kind(documents, kind) if one["metadata"]["name"] == name)
    return found


def pods(documents: list[Document]) -> Iterator[tuple[str, Document]]:
    """The pod templates of a chart, each with the name of what makes it."""
    for one in of_kind(documents, "Deployment", "StatefulSet", "Job"):
        yield one["metadata"]["name"], one["spec"]["template"]


def is_hook(document: Document) -> bool:
    return "helm.sh/hook" in document["metadata"].get("annotations", {})


def secret_data(documents: list[Document], name: str) -> dict[str, str]:
    """What a Secret of the chart holds."""
    return {key: base64.b64decode(value).decode() for key, value in named(documents, "Secret", name)["data"].items()}
