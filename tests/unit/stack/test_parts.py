"""Small parts of the stack runner."""

from __future__ import annotations

import io
import os
import socket
import sys
import threading
from pathlib import Path

import pytest

from sandbox.stack import become, cleanup
from sandbox.stack.errors import MissingTool, StackError
from sandbox.stack.folder import StateFolder
from sandbox.stack.info import ProcessInfo, Registry
from sandbox.stack.kafka import distribution
from sandbox.stack.kafka.server import properties
from sandbox.stack.ports import free_port, free_ports, is_free
from sandbox.stack.process import find, tail
from sandbox.stack.progress import SILENT, Progress


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_392"', 8),
        ('openjdk version "21" 2023-09-19', 21),
        ("command not found", None),
    ],
)
def test_java_tells_its_version(text: str, version: int | None) -> None:
    assert distribution.java_version(text) == version


def test_missing_java_is_an_error_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingTool, match=r"Java 17.*apt-get install.*KAFKA_BOOTSTRAP_SERVERS"):
        distribution.java()


def test_an_old_java_is_refused_with_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "java"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(MissingTool, match="version 11"):
        distribution.java()


def test_missing_maven_is_an_error_that_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingTool, match=r"no `mvn`.*apt-get install"):
        distribution.copied_dependencies(distribution.POM, tmp_path / "kafka", "Kafka", SILENT)


def fake_maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, code: int) -> Path:
    """A `mvn` that makes one jar and notes that it ran."""
    ran = tmp_path / "ran"
    program = tmp_path / "bin" / "mvn"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/bash\n"
        f"echo run >> {ran}\n"
        "echo 'Downloaded from central: x/y/kafka.jar (1 MB)'\n"
        "for option; do case $option in -DoutputDirectory=*) target=${option#*=};; esac; done\n"
        'mkdir -p "$target"; touch "$target/a.jar"\n'
        f"echo 'the repository is away'; exit {code}\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return ran


def test_jars_are_downloaded_once_and_again_when_the_pom_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = fake_maven(tmp_path, monkeypatch, code=0)
    pom = tmp_path / "pom.xml"
    pom.write_text("<one/>")
    for _ in range(2):
        libs = distribution.copied_dependencies(pom, tmp_path / "kafka", "Kafka", SILENT)
        assert (libs / "a.jar").exists()
    assert ran.read_text() == "run\n"
    pom.write_text("<two/>")
    distribution.copied_dependencies(pom, tmp_path / "kafka", "Kafka", SILENT)
    assert ran.read_text() == "run\nrun\n"


def test_a_failed_download_shows_what_maven_said_and_leaves_nothing_half_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_maven(tmp_path, monkeypatch, code=1)
    with pytest.raises(StackError, match="the repository is away"):
        distribution.copied_dependencies(distribution.POM, tmp_path / "kafka", "Kafka", SILENT)
    assert not (tmp_path / "kafka" / "libs").exists()


def test_kafka_never_creates_topics_by_accident_and_listens_on_this_machine_only(tmp_path: Path) -> None:
    settings = properties(tmp_path, 1, 2)
    assert settings["auto.create.topics.enable"] == "false"
    assert settings["listeners"] == "PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2"


def test_kafka_tells_who_comes_through_a_proxy_to_come_by_it_again(tmp_path: Path) -> None:
    settings = properties(tmp_path, 1, 2, [(3, 4), (5, 6)])
    listeners = dict(one.split("://") for one in settings["listeners"].split(","))
    told = dict(one.split("://") for one in settings["advertised.listeners"].split(","))
    assert {listeners[name]: told[name] for name in told} == {
        "127.0.0.1:1": "127.0.0.1:1", "127.0.0.1:3": "127.0.0.1:4", "127.0.0.1:5": "127.0.0.1:6",
    }  # fmt: skip
    assert {one.partition(":")[0] for one in settings["listener.security.protocol.map"].split(",")} == {*listeners}


def test_a_port_is_given_once_though_nobody_listens_there_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([21_001, 21_002, 21_001, 21_002, 21_003])
    monkeypatch.setattr("random.randint", lambda *_: next(drawn))
    monkeypatch.setattr("sandbox.stack.ports.is_free", lambda _: True)
    assert [*free_ports(2), free_port()] == [21_001, 21_002, 21_003]


def test_chosen_ports_are_free_distinct_and_never_taken_by_outgoing_connections() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(20_000 <= port < first_outgoing for port in ports)


def test_a_preferred_port_is_used_unless_somebody_listens_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not is_free(port)
        assert free_port(port) != port
    assert free_port(port) == port


def test_a_wrapped_command_is_recognized_once_it_has_become_the_command() -> None:
    line = become.command_line(["/usr/bin/java", "-jar", "x"], user="somebody", pid_file=Path("/run/x.pid"))
    assert line[:3] == [sys.executable, "-m", "sandbox.stack.become"]
    assert become.target(line) == ["/usr/bin/java", "-jar", "x"]
    assert become.target(["/usr/bin/java", "--", "x"]) == ["/usr/bin/java", "--", "x"]
    assert become.command_line(["java"]) == ["java"]


def test_a_pid_used_again_by_another_process_is_not_ours() -> None:
    parent = os.getpid()
    assert find(parent, 1.0) is None


def test_a_registry_without_living_processes_says_so(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    assert folder.registry() is None
    folder.write(Registry(started_at=1.0))
    assert (tmp_path / "processes.json").stat().st_mode & 0o777 == 0o600
    registry = folder.registry()
    assert registry is not None
    assert cleanup.any_running(registry.processes.items(), since=1.0) == []


def test_a_damaged_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    folder.registry_file.write_text("{")
    with pytest.raises(StackError, match=r"processes\.json"):
        folder.registry()


@pytest.mark.parametrize("content", ["", "\n", "not a number\n"])
def test_a_pid_file_that_says_nothing_names_no_process(tmp_path: Path, content: str) -> None:
    pid_file = tmp_path / "toy.pid"
    pid_file.write_text(content)
    info = ProcessInfo(
        pid=2**30, command=["toy"], env={}, cwd="/", started_at=0.0, pid_file=str(pid_file), log=str(tmp_path / "log")
    )
    assert cleanup.running("toy", info, since=0.0) == []


def test_the_tail_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    assert tail(log) == ""
    log.write_text("".join(f"line {number}\n" for number in range(10_000)))
    assert tail(log, lines=2) == "line 9998\nline 9999"


class Noting(io.StringIO):
    """Releases `seen` once something was printed that contains a text."""

    def __init__(self, text: str, *, terminal: bool) -> None:
        super().__init__()
        self.seen = threading.Event()
        self._text = text
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    def write(self, text: str) -> int:
        if self._text in text:
            self.seen.set()
        return super().write(text)


def test_without_a_terminal_progress_is_plain_lines() -> None:
    stream = Noting("... ", terminal=False)
    with Progress(stream).step("Kafka: downloading") as step:
        step.update("3 files")
        assert stream.seen.wait(20)
    *_, last = stream.getvalue().splitlines()
    assert last.startswith("  ok     Kafka: downloading: 3 files (")
    assert "\r" not in stream.getvalue()


def test_on_a_terminal_a_step_is_one_changing_line() -> None:
    stream = Noting("\r", terminal=True)
    with Progress(stream).step("Kafka: starting"):
        assert stream.seen.wait(20)
    assert stream.getvalue().count("\n") == 1
    assert "ok     Kafka: starting" in stream.getvalue()


def test_a_failed_step_says_so() -> None:
    stream = io.StringIO()
    with pytest.raises(StackError), Progress(stream).step("Topics"):
        raise StackError("no")
    assert "failed Topics" in stream.getvalue()
