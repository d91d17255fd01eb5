"""Rules and dashboards name only what exists, are current, and every alert has its runbook and its cases."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml
from typer.main import get_command

from cli.commands import app
from cli.processes import KINDS
from deploy.telemetry import catalogue, files
from deploy.telemetry.dashboards import DASHBOARDS

RULES = list(catalogue.rules(files.RULES))
ALERTS = [rule for rule in RULES if "alert" in rule]
KNOWN = catalogue.series(files.RULES)
PANELS = [panel for path in sorted(files.GRAFANA.glob("*.json")) for panel in json.loads(path.read_text())["panels"]]
SHOWN = re.compile(r"\$labels\.(\w+)")
LEGEND = re.compile(r"\{\{(\w+)\}\}")
PAGE = ("## Meaning", "## Impact", "## First five minutes", "## Deeper", "## Escalation")
COMMAND = re.compile(r"`okno ([^`]+)`")
POINTER = re.compile(r"\]\(([\w./-]+\.md)\)(?:, \"([^\"]+)\")?")
TITLE = re.compile(r"\*([A-Z][^*]+)\*")


def targets() -> Iterator[tuple[str, str, str]]:
    """Panel, query, legend."""
    for panel in PANELS:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"], target["legendFormat"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("record") or rule["alert"])
def test_a_rule_names_only_what_exists(rule: Mapping[str, Any]) -> None:
    shown = frozenset(SHOWN.findall(json.dumps(rule.get("annotations", {}))))
    assert catalogue.mistakes(rule["expr"], KNOWN, shown) == []
    assert "vector(0)" not in rule["expr"]


@pytest.mark.parametrize(("panel", "expr", "legend"), list(targets()))
def test_a_panel_names_only_what_exists(panel: str, expr: str, legend: str) -> None:
    assert catalogue.mistakes(expr, KNOWN, frozenset(LEGEND.findall(legend))) == []
    assert "vector(0)" not in expr


@pytest.mark.parametrize(
    ("expr", "wrong"),
    [
        ("okno_outbox_row", ["no metric okno_outbox_row"]),
        ('rate(okno_tickets_total{state="x"}[5m])', ["okno_tickets_total has no label state"]),
        ("sum by (platform, tribe) (okno_tickets_total)", ["no label tribe to group by"]),
        ("okno_outbox_wait_seconds", ["no metric okno_outbox_wait_seconds"]),
        ("up offset 5m unless on (instance) (okno_process_ready == 1)", []),
    ],
)
def test_a_wrong_name_is_found(expr: str, wrong: list[str]) -> None:
    assert catalogue.mistakes(expr, KNOWN) == wrong


def test_a_label_that_a_legend_shows_must_come_out() -> None:
    assert catalogue.mistakes("sum by (platform) (okno_tickets_total)", KNOWN, frozenset({"change"})) != []


def test_what_is_generated_is_current() -> None:
    stale = [path.name for path, text in files.generated().items() if not path.exists() or path.read_text() != text]
    assert stale == [], "make telemetry"
    assert {path.stem for path in files.GRAFANA.glob("*.json")} == set(DASHBOARDS)


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_tells_who_is_called_what_is_wrong_and_where_to_read_on(rule: Mapping[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    page = files.DEPLOY.parent / rule["annotations"]["runbook_url"]
    assert page == files.RUNBOOKS / f"{rule['alert']}.md"
    text = page.read_text()
    assert [line for line in text.splitlines() if line.startswith("## ")] == list(PAGE)


def test_every_kind_of_process_is_missed() -> None:
    [rule] = [rule for rule in ALERTS if rule["alert"] == "OknoProcessMissing"]
    kinds = re.findall(r'okno_process_info\{kind=~?"([^"]+)"', rule["expr"])
    missed = {kind for named in kinds for kind in KINDS if re.fullmatch(named, kind)}
    assert missed == set(KINDS) - {"sandbox"}


def test_every_runbook_has_its_alert() -> None:
    pages = {path.stem for path in files.RUNBOOKS.glob("*.md")} - {"README"}
    assert pages == {rule["alert"] for rule in ALERTS}


def test_the_list_of_runbooks_is_whole() -> None:
    listed = re.findall(r"\[(\w+)\]\((\w+)\.md\)", (files.RUNBOOKS / "README.md").read_text())
    assert sorted(listed) == sorted((name, name) for name in {rule["alert"] for rule in ALERTS})


def commands() -> Iterator[tuple[str, str]]:
    """Page and command line, without `okno`."""
    for path in sorted(files.RUNBOOKS.glob("*.md")):
        for line in COMMAND.findall(path.read_text()):
            yield path.stem, line


@pytest.mark.parametrize(("page", "line"), list(commands()))
def test_a_command_of_a_runbook_can_be_typed_as_it_stands(page: str, line: str) -> None:
    """Its options exist, and nothing that it needs is left out."""
    command: Any = get_command(app)
    context, arguments = None, shlex.split(line)
    while True:
        context = command.make_context("okno", list(arguments), parent=context)
        if not hasattr(command, "commands"):
            return
        _, command, arguments = command.resolve_command(context, [*context._protected_args, *context.args])


def test_dashboards_and_panels_that_runbooks_name_exist() -> None:
    titles = {panel["title"] for panel in PANELS} | {dashboard().title for dashboard in DASHBOARDS.values()}
    for path in files.RUNBOOKS.glob("*.md"):
        for named in TITLE.findall(path.read_text()):
            assert {named, f"Okno: {named[0].lower()}{named[1:]}"} & titles, f"{path.name}: {named}"


def test_pages_and_sections_that_runbooks_point_to_exist() -> None:
    for path in files.RUNBOOKS.glob("*.md"):
        for page, section in POINTER.findall(path.read_text()):
            text = (files.RUNBOOKS / page).read_text()
            assert not section or f"\n## {section}\n" in text, f"{path.name}: {page}, {section}"


def cases() -> Iterator[tuple[str, bool]]:
    """Alerts that a case of promtool expects to fire, or not to."""
    for path in (files.RULES / "tests").glob("*.yaml"):
        for test in yaml.safe_load(path.read_text())["tests"]:
            for case in test.get("promql_expr_test", ()):
                if found := re.search(r'alertname="(\w+)"', case["expr"]):
                    yield found[1], bool(case.get("exp_samples"))


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    names = {rule["alert"] for rule in ALERTS}
    assert {name for name, fires in cases() if fires} == names
    assert {name for name, fires in cases() if not fires} == names


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
@pytest.mark.timeout(600)
def test_promtool_agrees() -> None:
    tests = [str(path) for path in sorted((files.RULES / "tests").glob("*.yaml"))]
    for command in (["check", "rules", *map(str, sorted(files.RULES.glob("*.yaml")))], ["test", "rules", *tests]):
        done = subprocess.run(["promtool", *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
