"""The jars of Apache Kafka: copied by Maven once per change of pom.xml, whole or not at all (built aside, then
renamed), also when two commands start together.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.stack.errors import MissingTool, StackError
from sandbox.stack.paths import DOWNLOADS
from sandbox.stack.progress import Progress

POM = Path(__file__).with_name("pom.xml")
INSTALL_HINT = (
    "Debian/Ubuntu: apt-get install openjdk-17-jre-headless maven; macOS: brew install openjdk maven. "
    "Or name a Kafka of your own: KAFKA_BOOTSTRAP_SERVERS=host:9092"
)
_OLDEST_JAVA = 17
_DOWNLOADED = re.compile(r"Downloaded from \S+ \S*?([^/\s]+)(?: \(|$)")


def java() -> str:
    """The `java` program (JAVA_HOME's, else the path's); MissingTool when there is none or it is older than 17."""
    home = os.environ.get("JAVA_HOME")
    candidate = Path(home) / "bin" / "java" if home else None
    program = str(candidate) if candidate is not None and candidate.exists() else shutil.which("java")
    if program is None:
        raise MissingTool(f"Kafka needs Java {_OLDEST_JAVA} or newer, and there is no `java`. {INSTALL_HINT}")
    shown = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)
    version = java_version(shown.stderr + shown.stdout)
    if version is None or version < _OLDEST_JAVA:
        found = "an unknown version" if version is None else f"version {version}"
        raise MissingTool(f"Kafka needs Java {_OLDEST_JAVA} or newer, and {program} is {found}. {INSTALL_HINT}")
    return program


def java_version(text: str) -> int | None:
    """The major version in the output of `java -version` ("17.0.15" is 17, "1.8.0_392" is 8)."""
    match = re.search(r'version "(\d+)(?:\.(\d+))?', text)
    if match is None:
        return None
    major = int(match[1])
    return int(match[2]) if major == 1 and match[2] else major


def kafka_version(pom: Path = POM) -> str:
    match = re.search(r"<kafka.version>(.+?)</kafka.version>", pom.read_text(encoding="utf-8"))
    if match is None:
        raise StackError(f"{pom} names no <kafka.version>")
    return match[1]


def jars(progress: Progress) -> Path:
    """The folder with Kafka's jars, downloaded first when it isn't there."""
    return copied_dependencies(POM, DOWNLOADS / "kafka" / kafka_version(), f"Kafka {kafka_version()}", progress)


def copied_dependencies(pom: Path, folder: Path, what: str, progress: Progress) -> Path:
    """`<folder>/libs` with all jars that a pom.xml names; downloads them unless they are there for this very pom."""
    libs = folder / "libs"
    stamp = libs / "pom.sha256"
    digest = hashlib.sha256(pom.read_bytes()).hexdigest()
    if _is(stamp, digest):
        return libs
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder / "lock"):
        if _is(stamp, digest):
            return libs
        fresh = folder / "libs.new"
        shutil.rmtree(fresh, ignore_errors=True)
        _copy(pom, fresh, what, progress)
        (fresh / stamp.name).write_text(digest, encoding="ascii")
        shutil.rmtree(libs, ignore_errors=True)
        fresh.rename(libs)
    return libs


def _is(stamp: Path, digest: str) -> bool:
    return stamp.exists() and stamp.read_text(encoding="ascii") == digest


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _copy(pom: Path, target: Path, what: str, progress: Progress) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise MissingTool(f"{what} is downloaded with Maven, and there is no `mvn`. {INSTALL_HINT}")
    command = [
        maven, "--batch-mode", "--strict-checksums", "--file", str(pom), "dependency:copy-dependencies",
        "-DincludeScope=runtime", f"-DoutputDirectory={target}",
    ]  # fmt: skip
    kept: list[str] = []
    files = 0
    with progress.step(f"{what}: downloading") as step:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        if child.stdout is not None:
            for line in child.stdout:
                kept = [*kept[-30:], line.rstrip()]
                if downloaded := _DOWNLOADED.search(line):
                    files += 1
                    step.update(f"{files} files, {downloaded[1]}")
        code = child.wait()
        step.update(f"{len(list(target.glob('*.jar')))} jars" if code == 0 else "Maven failed")
    if code != 0:
        raise StackError(f"Maven could not download {what}:\n" + "\n".join(kept))
