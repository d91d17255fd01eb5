"""`make sbom`: what an image holds of Python packages, as CycloneDX 1.6 JSON, from the image's lock and nothing else.

A lock covers every system and Python; the list names what is installed on Linux by the Python of the images. The same
lock gives the same bytes. What the base image brings is not ours to list: scan the image for it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.markers import default_environment
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
LOCKS = {name: name for name in ("ingest", "router", "ticketing", "notifier", "cli")} | {"sandbox": "simulation"}
"""The lock of each image; deploy/Dockerfile installs the same."""
PYTHON = "3.13"


def installed(lock: str, python: str) -> str:
    """The part of a lock that is installed on Linux by CPython `python` ("3.13"), in the lock's own form."""
    environment = dict[str, Any](default_environment()) | {
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
    }
    kept = []
    for lines in _entries(lock):
        requirement = Requirement(lines[0].rstrip(" \\"))
        if requirement.marker is None or requirement.marker.evaluate(environment):
            # The marker is said to be true by the list itself.
            plain = f"{requirement.name}{requirement.specifier} \\"
            kept.append("\n".join([plain, *lines[1:]]))
    return "\n".join(kept) + "\n"


def _entries(lock: str) -> Iterator[list[str]]:
    """Each package's line and those of its hashes."""
    entry: list[str] = []
    for line in lock.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not line[0].isspace() and entry:
            yield entry
            entry = []
        entry.append(line)
    if entry:
        yield entry


def bill(image: str, *, version: str, python: str = PYTHON) -> dict[str, Any]:
    """The bill of materials of an image, `okno-<image>` at its root."""
    lock = (ROOT / "requirements" / f"{LOCKS[image]}.txt").read_text(encoding="utf-8")
    command = [
        sys.executable, "-m", "cyclonedx_py", "requirements", "--output-reproducible", "--sv", "1.6", "--of", "JSON",
        "--output-file", "-", "-",
    ]  # fmt: skip
    done = subprocess.run(command, input=installed(lock, python), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"cyclonedx-py refuses requirements/{LOCKS[image]}.txt: {done.stderr.strip()}")
    made: dict[str, Any] = json.loads(done.stdout)
    root = f"okno-{image}"
    made["metadata"]["component"] = {"type": "container", "bom-ref": root, "name": root, "version": version}
    for component in made["components"]:
        del component["description"]  # the lock's lines
        component["bom-ref"] = component["purl"]
    refs = sorted(component["bom-ref"] for component in made["components"])
    made["dependencies"] = [{"ref": root, "dependsOn": refs}, *({"ref": ref} for ref in refs)]
    return made


def main(given: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.sbom", description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / ".okno" / "sbom")
    parser.add_argument("--version", default="dev", help="the images' version")
    parser.add_argument("--python", default=PYTHON, help="the Python of the images' base")
    options = parser.parse_args(given)
    options.folder.mkdir(parents=True, exist_ok=True)
    for image in LOCKS:
        made = bill(image, version=options.version, python=options.python)
        file = options.folder / f"okno-{image}.cdx.json"
        file.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
        sys.stdout.write(f"{file}: {len(made['components'])} packages\n")


if __name__ == "__main__":
    main(sys.argv[1:])
