"""Traffic and faults are pure functions of their seeds, and what they refer to exists."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
from aiokafka import TopicPartition

from chaos.check.rules import RULES
from chaos.check.violation import Violation
from chaos.gather import operations, troubles
from chaos.links import Links
from chaos.mutants import MUTANTS, command, plan, seen
from chaos.nemesis_plan import (
    BRIEF,
    EXPIRING,
    GROUPS,
    HELD_BACK,
    JUMPS,
    LINKS,
    POINTS,
    PROCESSES,
    SERVERS,
    Group,
    rounds,
)
from chaos.options import parse
from chaos.records import Records, read
from chaos.traffic import Act, Town, acts
from chaos.versions import breakable, tree
from contracts.topics import TOPICS
from sandbox.stack.errors import StackError
from sandbox.stack.inside.backlog import passed
from sandbox.stack.paths import ROOT
from sandbox.stack.plan import Addresses

TOWN = Town(channels=20, dialogs=20, people=50)


def some(seed: int, count: int = 3000) -> list[Act]:
    return list(islice(acts(seed, TOWN, 25.0), count))


def test_a_seed_writes_the_same_again_and_another_seed_something_else() -> None:
    assert some(5) == some(5)
    assert some(5) != some(6)


def test_acts_refer_to_what_was_written_before_and_not_deleted() -> None:
    alive: dict[int, Act] = {}
    kinds = set()
    for act in some(1):
        kinds.add(act.kind)
        if act.target is not None:
            assert alive[act.target].channel == act.channel
        if act.kind in {"post", "answer"}:
            alive[act.number] = act
        if act.kind in {"delete", "delete_answer"} and act.target is not None:
            del alive[act.target]
    assert len(kinds) == 10


def test_people_write_at_the_rate_asked_for() -> None:
    made = some(2)
    assert made[-1].at == pytest.approx(len(made) / 25.0, rel=0.3)


def test_a_text_names_its_act() -> None:
    for act in some(3, 500):
        if act.kind in {"post", "edit"}:
            assert f"m{act.number}" in act.text.split()
        if act.kind == "answer":
            assert f"a{act.number}" in act.text.split()
        if act.kind == "edit_answer":
            assert f"a{act.target}" in act.text.split()


def test_a_seed_breaks_the_same_again() -> None:
    assert list(islice(rounds(5), 50)) == list(islice(rounds(5), 50))
    assert list(islice(rounds(5), 50)) != list(islice(rounds(6), 50))


def test_every_process_and_group_has_its_turn() -> None:
    faults = [fault for one in islice(rounds(1), 1000) for fault in one.faults]
    assert {fault.group for fault in faults} == set(GROUPS)
    assert {fault.target for fault in faults} >= {*PROCESSES, *LINKS, *SERVERS}
    assert all(fault.point in POINTS[fault.target] for fault in faults if fault.point is not None)


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_can_be_chosen(group: Group) -> None:
    assert {fault.group for one in islice(rounds(1, [group]), 30) for fault in one.faults} == {group}


def test_only_what_servers_are_told_is_held_back_for_longer_than_leases() -> None:
    faults = [fault for one in islice(rounds(1, ["network"]), 400) for fault in one.faults]
    long = [fault for fault in faults if fault.seconds > BRIEF[1]]
    assert long
    assert all(fault.how in HELD_BACK and fault.target.endswith(SERVERS) for fault in long)
    assert all((fault.by > 0) == (fault.how == "late") for fault in faults)


def test_only_topics_that_expire_are_expired_and_up_to_their_slowest_reader() -> None:
    assert not {name for name in EXPIRING if TOPICS[name].compacted}
    topic, first = "chat.events.v1", TopicPartition("chat.events.v1", 0)
    assert passed({("router", "router", first): 7}, topic)[first] == 0
    stored = {("router", "router", first): 7, ("ingest", "ingest-worker", first): 5}
    assert passed(stored, topic)[first] == 5
    assert passed(stored, "chat.installations.v1") == {}  # nobody's place in it says that a record isn't needed


def test_the_other_version_comes_whole_from_git_or_is_left_out(tmp_path: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("no git checkout")
    assert (tree("HEAD", tmp_path / "beside") / "chaos" / "__main__.py").exists()
    with pytest.raises(StackError, match="no-such-revision"):
        tree("no-such-revision", tmp_path / "beside")
    assert "versions" not in breakable(GROUPS, None)
    assert breakable(GROUPS, "HEAD") == GROUPS


def test_clocks_are_set_forward_and_back() -> None:
    jumps = {fault.by for one in islice(rounds(1, ["clocks"]), 200) for fault in one.faults}
    assert jumps == {*JUMPS, *(-by for by in JUMPS)}


def test_every_link_has_a_proxy_and_every_process_a_port_of_its_own() -> None:
    links = Links(network=True)
    assert links.proxies.keys() >= {*LINKS}
    ports = [proxy.port for proxy in links.proxies.values()]
    assert len({*ports}) == len(ports)
    for name in PROCESSES:
        assert links.proxies[f"{name} to kafka"].targets == (links.ways[name].kafka_listener,)
    links.aim(Addresses("postgresql://okno:x@127.0.0.1:5555/okno", "127.0.0.1:9092"))
    assert {links.proxies[f"{name} to postgres"].targets for name in PROCESSES} == {(5555,)}


def test_without_network_faults_only_the_doors_are_proxies() -> None:
    links = Links(network=False)
    assert not links.ways
    balancer = links.proxies["platforms to ingest-slack"]
    assert balancer.targets == (links.http_ports["ingest-slack-0"], links.http_ports["ingest-slack-1"])
    assert balancer.port == links.doors["ingest-slack"]


def test_a_target_suffers_one_fault_at_a_time() -> None:
    for one in islice(rounds(3), 200):
        targets = [fault.target for fault in one.faults]
        assert len(targets) == len(set(targets))


def test_a_set_back_is_alone_in_its_round() -> None:
    rounds_with = [one for one in islice(rounds(1), 300) if any(fault.group == "backups" for fault in one.faults)]
    assert rounds_with
    assert all(len(one.faults) == 1 for one in rounds_with)


def test_a_mutant_runs_only_where_it_belongs_and_has_its_moment() -> None:
    for name, mutant in MUTANTS.items():
        assert "chaos.mutant" in command(name, mutant.kinds[0], "x")
        assert "chaos.mutant" not in command(name, "ticketing-api", "ticketing-api")
        assert next(plan(1, name, ())).faults == mutant.moment
    assert list(plan(1, None, ())) == []


def test_a_mutant_is_seen_only_by_the_rules_that_must_see_it() -> None:
    for name, mutant in MUTANTS.items():
        assert mutant.seen_by <= RULES.keys()
        assert all(seen(name, [Violation(rule, "", "")]) for rule in mutant.seen_by)
        assert not seen(name, [Violation("rest", "", "")])
    assert not seen(None, [Violation("positions", "", "")])


def test_a_proof_goes_on_from_its_seed() -> None:
    proof = parse(["--mutant", "two-relays", "--times", "3", "--seed", "7"])
    assert (proof.seeds, proof.proof, proof.minutes) == ((7, 8, 9), True, 1.0)
    for wrong in (["--times", "3"], ["--mutant", "two-relays", "--times", "3", "--seed", "1", "2"]):
        with pytest.raises(SystemExit):
            parse(wrong)


def test_the_log_tells_how_each_operation_ended(tmp_path: Path) -> None:
    records = Records(tmp_path / "log" / "campaign.jsonl")
    for act, ends in enumerate([["acknowledged"], ["failed"], ["unknown"], [], ["unknown", "acknowledged"]]):
        records.write("asked", act=act, kind="answer", channel="slack:C1", text=f"a{act}", ticket="T1")
        for end in ends:
            records.write(end, act=act, status=0, reply="r" if end == "acknowledged" else None)
    records.write("recovered", faults=["kill kafka"], began=1.0, ended=2.0, seconds=None)
    records.close()
    found = operations(read(records.path))
    assert [one.outcome for one in found] == ["acknowledged", "failed", "unknown", "unknown", "acknowledged"]
    assert [one.replies for one in found] == [("r",), (), (), (), ("r",)]
    (trouble,) = troubles(read(records.path))
    assert trouble.faults == ("kill kafka",)


def test_options_name_what_may_be_broken() -> None:
    options = parse(["--seed", "3", "4", "--minutes", "2", "--faults", "processes,poison"])
    assert (options.seeds, options.minutes, options.groups) == ((3, 4), 2.0, ("processes", "poison"))
    assert parse(["--faults", "none"]).groups == ()
    with pytest.raises(SystemExit):
        parse(["--faults", "meteorites"])
