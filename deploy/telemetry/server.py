"""A Prometheus of one's own: started on a free port with fast rules, asked, stopped."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import httpx
import yaml

from deploy.telemetry import files
from deploy.telemetry.speed import faster
from sandbox.stack.ports import free_port

START_SECONDS = 60.0


class Refused(Exception):
    """Prometheus said no to a query."""


class Prometheus:
    """`targets`: URL of the metrics page by process. `scrape` in seconds; windows are four scrapes at least."""

    def __init__(self, folder: Path, targets: Mapping[str, str], *, speed: float, scrape: int) -> None:
        self._folder = folder
        self._url = f"http://127.0.0.1:{free_port()}"
        self.window = 4 * scrape
        self._write(targets, speed, scrape)
        self._http = httpx.AsyncClient(timeout=30)
        self._process: subprocess.Popen[bytes] | None = None

    def _write(self, targets: Mapping[str, str], speed: float, scrape: int) -> None:
        for path in files.RULES.glob("*.yaml"):
            rules = faster(yaml.safe_load(path.read_text()), speed, self.window)
            (self._folder / path.name).write_text(yaml.safe_dump(rules, sort_keys=False))
        hosts = {name: url.removeprefix("http://").removesuffix("/metrics") for name, url in targets.items()}
        config = {
            "global": {
                "scrape_interval": f"{scrape}s", "scrape_timeout": f"{scrape}s", "evaluation_interval": f"{scrape}s",
            },
            "rule_files": [f"{self._folder}/*.rules.yaml"],
            "scrape_configs": [
                {
                    "job_name": "okno",
                    "static_configs": [
                        {"targets": [host], "labels": {"instance": name}} for name, host in hosts.items()
                    ],
                }
            ],
        }  # fmt: skip
        (self._folder / "prometheus.yml").write_text(yaml.safe_dump(config))

    async def __aenter__(self) -> Self:
        command = [
            "prometheus", f"--config.file={self._folder}/prometheus.yml", f"--storage.tsdb.path={self._folder}/data",
            f"--web.listen-address={self._url.removeprefix('http://')}",
        ]  # fmt: skip
        with (self._folder / "prometheus.log").open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: ASYNC220 - it lives on
        deadline = time.monotonic() + START_SECONDS
        while not await self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise Refused(f"Prometheus doesn't start: {(self._folder / 'prometheus.log').read_text()[-800:]}")
            await asyncio.sleep(0.2)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    async def _ready(self) -> bool:
        try:
            return (await self._http.get(f"{self._url}/-/ready")).is_success
        except httpx.HTTPError:
            return False

    async def query(self, expr: str) -> list[dict[str, Any]]:
        """The series of an instant query that have a number."""
        return [one for one in await self._get("query", query=expr) if one["value"][1] != "NaN"]

    async def over_time(self, expr: str, seconds: float, points: int) -> list[dict[str, Any]]:
        """The series of the last seconds, each with `values`."""
        end = time.time()
        return await self._get("query_range", query=expr, start=end - seconds, end=end, step=seconds / points)

    async def metric_names(self) -> set[str]:
        return set(await self._raw("label/__name__/values"))

    async def rules(self) -> list[dict[str, Any]]:
        """Each loaded rule with its health, and its alerts with their texts."""
        return [rule for group in (await self._raw("rules"))["groups"] for rule in group["rules"]]

    async def _get(self, path: str, **parameters: Any) -> list[dict[str, Any]]:
        return list((await self._raw(path, **parameters))["result"])

    async def _raw(self, path: str, **parameters: Any) -> Any:
        answer = (await self._http.get(f"{self._url}/api/v1/{path}", params=parameters)).json()
        if answer["status"] != "success":
            raise Refused(f"{parameters.get('query', path)}: {answer['error']}")
        return answer["data"]
