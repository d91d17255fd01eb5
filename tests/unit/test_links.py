"""Links, paths and commands in the pages lead to what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(page for folder in ROOT.glob("[!.]*/") for page in folder.rglob("*.md"))])
LINK = re.compile(r"\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]+`")
PATH = re.compile(r"`((?:bench|chaos|chassis|cli|contracts|deploy|docs|requirements|sandbox|services|tests)/[\w./-]+)`")
MAKE = re.compile(r"`make ([a-z-]+)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def _anchors(page: Path) -> set[str]:
    """Of a page's headings: words in small letters, joined by hyphens."""
    headings = HEADING.findall(BLOCK.sub("", page.read_text()))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead(page: Path) -> list[str]:
    """The links of a page, other than those to other sites, that lead nowhere."""
    found = []
    for link in LINK.findall(CODE.sub("", BLOCK.sub("", page.read_text()))):
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        if "://" not in link and (not target.exists() or (anchor and anchor not in _anchors(target))):
            found.append(link)
    return found


def test_there_are_pages_to_look_at() -> None:
    assert {ROOT / "README.md", ROOT / "docs" / "deployment.md"} <= set(PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert dead(page) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_and_targets_exist(page: Path) -> None:
    text = page.read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert [path for path in PATH.findall(text) if not (ROOT / path).exists()] == []
    assert set(MAKE.findall(text)) <= targets


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# Where it goes\n[a](page.md#where-it-goes), [b](#where-it-goes), [c](https://t.me/x), `[d](none.md)`,\n"
        "[e](none.md) and [f](page.md#nowhere)\n"
    )
    assert dead(page) == ["none.md", "page.md#nowhere"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_helm_repository_is_added_before_a_chart_of_it_is_installed(page: Path) -> None:
    text = page.read_text()
    for found in re.finditer(r"helm install \S+ (([\w-]+)/\S+)", text):
        chart, repository = found.groups()
        known = (ROOT / chart).exists() or f"helm repo add {repository} https://" in text[: found.start()]
        assert known, f"nobody knows the repository of {chart}"
