from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from deploy.image import health, seal, strip
from deploy.sbom import LOCKS

ROOT = Path(__file__).parents[3]
COMMAND = [ROOT / "cli" / f"{name}.py" for name in ("__init__", "__main__", "run", "processes")]
"""What `okno run` imports of the command line."""
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()


def _imported(files: list[Path]) -> dict[str, Path]:
    """Top-level names that the files import outside `if TYPE_CHECKING`, each with a file that does."""
    found: dict[str, Path] = {}
    for file in files:
        tree = ast.parse(file.read_text())
        for_types = {
            inner
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            for inner in ast.walk(node)
        }
        for node in ast.walk(tree):
            if node in for_types:
                continue
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0]: file for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found[node.module.partition(".")[0]] = file
    return found


@pytest.mark.parametrize("service", ["ingest", "router", "ticketing", "notifier"])
def test_an_image_has_every_folder_and_package_that_its_service_imports(service: str) -> None:
    folders = [ROOT / "contracts", ROOT / "chassis", ROOT / "services" / service]
    files = [*COMMAND, *(file for folder in folders for file in folder.rglob("*.py"))]
    locked = {canonicalize_name(name) for name in re.findall(r"^([\w.-]+)==", _lock(service), re.MULTILINE)}
    providers = packages_distributions()
    for name, file in _imported(files).items():
        if name in sys.stdlib_module_names or name in {"contracts", "chassis", "services", "cli"}:
            continue
        assert {canonicalize_name(one) for one in providers.get(name, ())} & locked, f"{file} imports {name}"


def _lock(service: str) -> str:
    return (ROOT / "requirements" / f"{service}.txt").read_text()


def test_an_image_installs_the_lock_that_its_bill_is_made_from() -> None:
    for image, lock in LOCKS.items():
        assert f"FROM build AS {image}-packages\nCOPY requirements/{lock}.txt /image/\n" in DOCKERFILE
        assert f"COPY --from={image}-packages /tree/ /\nCOPY --from={image}-code /tree/ /\n" in DOCKERFILE


def test_a_service_image_has_no_other_service() -> None:
    for image in ("ingest", "router", "ticketing", "notifier"):
        copied = DOCKERFILE.partition(f"FROM code AS {image}-code\n")[2].partition("\nRUN")[0]
        assert copied == f"COPY services/{image} /tree/okno/app/services/{image}"


def test_sealed_code_is_trusted_without_its_source_and_the_same_each_time(tmp_path: Path) -> None:
    sealed = []
    for place in ("one", "two"):
        folder = tmp_path / place / "okno" / "app"
        folder.mkdir(parents=True)
        (folder / "window.py").write_text("def pane():\n    return 'glass'\n")
        subprocess.run([sys.executable, "-m", "deploy.image.seal", folder, "/okno/app"], cwd=ROOT, check=True)
        compiled = Path(importlib.util.cache_from_source(str(folder / "window.py")))
        sealed.append(compiled.read_bytes())
        assert {path.stat().st_mtime for path in (folder, folder.parent, compiled)} == {0}
        assert compiled.stat().st_mode & 0o777 == 0o644
    assert sealed[0] == sealed[1]
    assert int.from_bytes(sealed[0][4:8], "little") == 0b01, "hash-based and unchecked (PEP 552)"
    assert b"/okno/app/window.py" in sealed[0]
    assert str(tmp_path).encode() not in sealed[0]


def test_everybody_can_read_what_was_checked_out_for_one_user_alone(tmp_path: Path) -> None:
    (tmp_path / "health.py").touch(mode=0o600)
    (tmp_path / "run").touch(mode=0o700)
    seal.settle(tmp_path)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("", "health.py", "run")] == [0o755, 0o644, 0o755]


def test_installers_and_their_commands_are_taken_out_and_nothing_else(tmp_path: Path) -> None:
    library, packages, programs = (tmp_path / name for name in ("lib", "lib/site-packages", "bin"))
    kept = {packages / "piping", packages / "asyncpg-1.dist-info", programs / "python3"}
    for path in (library / "ensurepip", packages / "pip", packages / "pip-25.0.dist-info", *kept):
        path.mkdir(parents=True)
    for path in (programs / "pip3.13", packages / "distutils-precedence.pth"):
        path.touch()
    strip.take_out({library, packages}, programs)
    assert {*library.iterdir(), *packages.iterdir(), *programs.iterdir()} == {packages, *kept}


def test_code_that_cannot_be_compiled_is_not_sealed(tmp_path: Path) -> None:
    folder = tmp_path / "okno" / "app"
    folder.mkdir(parents=True)
    (folder / "broken.py").write_text("def pane(:\n")
    with pytest.raises(SystemExit, match="can't compile"):
        seal.main(folder, "/okno/app")


class _Probes(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/livez" else 503)
        self.end_headers()
        self.wfile.write(b"as asked")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), _Probes)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("PROBE_PORT", str(server.server_port))
    yield server
    server.shutdown()
    server.server_close()


def test_a_health_check_says_what_the_probe_says(
    probes: HTTPServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert health.main("livez") == 0
    assert health.main("readyz") == 1
    assert capsys.readouterr().out == "as asked" * 2
    monkeypatch.setenv("PROBE_PORT", "1")
    assert health.main("livez") == 1
    assert "no answer on port 1" in capsys.readouterr().out
