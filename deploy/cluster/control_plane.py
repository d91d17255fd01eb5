"""etcd, API server, controller manager, scheduler and simulated nodes, on 127.0.0.1 only, in one folder, whole or not.

The programs are on PATH (`deploy/tools`). All of them end with this process, also when it is killed. Pods run nowhere:
kwok plays the kubelets (kwok.yaml). All up to a pod's start is real: admission, defaults, validation, controllers.
"""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sandbox.stack.ports import free_ports

HERE = Path(__file__).parent
READY_SECONDS = 120.0
NODES = 3
STOP_SECONDS = 10.0


class ClusterError(Exception):
    """Something of the control plane doesn't start or doesn't answer; the text says where its log is."""


class ControlPlane:
    """`with ControlPlane(folder) as cluster:` - `cluster.kubeconfig` is for kubectl and helm."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.kubeconfig = folder / "kubeconfig"
        self._say = say
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def __enter__(self) -> Self:
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "logs").mkdir(parents=True)
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop()
        if kind is None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def kubectl(self, *arguments: str, given: str | None = None, check: bool = True) -> str:
        """What kubectl says. Raises ClusterError with its complaint, unless `check` is off: then that is returned."""
        command = ["kubectl", f"--kubeconfig={self.kubeconfig}", "--request-timeout=30s", *arguments]
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=120)
        if done.returncode == 0:
            return done.stdout
        if check:
            raise ClusterError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stderr

    def items(self, *arguments: str) -> list[dict[str, Any]]:
        """The resources that `kubectl get` finds."""
        return list(json.loads(self.kubectl("get", *arguments, "-o", "json"))["items"])

    def _start(self) -> None:
        etcd, peer, api, kwok = free_ports(4)
        token = secrets.token_hex(16)
        at = self.folder
        (at / "tokens.csv").write_text(f"{token},admin,admin,system:masters\n")
        key = at / "service-accounts.key"
        subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
        self._write_kubeconfig(api, token)
        self._say("etcd and the API server")
        self._run(
            "etcd", f"--data-dir={at}/etcd", f"--listen-client-urls=http://127.0.0.1:{etcd}",
            f"--advertise-client-urls=http://127.0.0.1:{etcd}", f"--listen-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}", f"--initial-cluster=default=http://127.0.0.1:{peer}",
        )  # fmt: skip
        self._run(
            "kube-apiserver", f"--etcd-servers=http://127.0.0.1:{etcd}", "--bind-address=127.0.0.1",
            f"--secure-port={api}", f"--cert-dir={at}/certificates", f"--token-auth-file={at}/tokens.csv",
            "--authorization-mode=RBAC", f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}", "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.96.0.0/16", "--profiling=false",
            "--feature-gates=WatchList=false",  # needs etcd 3.4.25 or newer
        )  # fmt: skip
        self._wait("the API server", lambda: self.kubectl("get", "--raw", "/readyz") == "ok")
        self._say("controllers, scheduler, nodes")
        common = (
            f"--kubeconfig={self.kubeconfig}",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            "--secure-port=0",
        )
        self._run(
            "kube-controller-manager", *common, f"--service-account-private-key-file={key}",
            f"--root-ca-file={at}/certificates/apiserver.crt", "--use-service-account-credentials=false",
            "--node-monitor-grace-period=10m",  # a busy machine is no dead node
        )  # fmt: skip
        self._run("kube-scheduler", *common)
        self._run(
            "kwok", f"--kubeconfig={self.kubeconfig}", "--manage-all-nodes=true", f"--config={HERE}/kwok.yaml",
            f"--server-address=127.0.0.1:{kwok}", "--node-ip=127.0.0.1",
        )  # fmt: skip
        nodes = {"apiVersion": "v1", "kind": "List", "items": [_node(number) for number in range(NODES)]}
        self.kubectl("apply", "-f", "-", given=json.dumps(nodes))
        self._wait("the nodes", lambda: all(map(_ready, self.items("nodes"))))
        self._wait("service accounts", lambda: bool(self.items("serviceaccounts", "-n", "default")))

    def _write_kubeconfig(self, port: int, token: str) -> None:
        self.kubeconfig.touch(mode=0o600)
        cluster = {
            "server": f"https://127.0.0.1:{port}",
            "insecure-skip-tls-verify": True,
        }  # its own certificate, locally
        self.kubeconfig.write_text(
            json.dumps({
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "local", "cluster": cluster}],
                "users": [{"name": "admin", "user": {"token": token}}],
                "contexts": [{"name": "local", "context": {"cluster": "local", "user": "admin"}}],
                "current-context": "local",
            })
        )  # fmt: skip

    def _run(self, program: str, *arguments: str) -> None:
        path = shutil.which(program)
        if path is None:
            raise ClusterError(f"{program} isn't on PATH; deploy/verify-cluster makes it")
        with (self.folder / "logs" / f"{program}.log").open("wb") as log:
            # setpriv: it must not outlive us, however we end.
            command = ["setpriv", "--pdeathsig", "KILL", "--", path, *arguments]
            process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder)
        self._running.append((program, process))

    def _wait(self, what: str, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            for program, process in self._running:
                if process.poll() is not None:
                    raise ClusterError(f"{program} ended with {process.returncode}: {self.folder}/logs/{program}.log")
            try:
                if done():
                    return
            except (OSError, ClusterError):
                pass
            if time.monotonic() > deadline:
                raise ClusterError(f"{what}: not there after {READY_SECONDS:g} s; logs in {self.folder}/logs")
            time.sleep(0.3)

    def _stop(self) -> None:
        for _, process in reversed(self._running):
            process.terminate()
        for _, process in reversed(self._running):
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()


def _ready(resource: dict[str, Any]) -> bool:
    conditions = resource.get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _node(number: int) -> dict[str, Any]:
    room = {"cpu": "16", "memory": "64Gi", "ephemeral-storage": "100Gi", "pods": "110"}
    labels = {
        "kubernetes.io/hostname": f"node-{number}",
        "topology.kubernetes.io/zone": f"zone-{number}",
        "kubernetes.io/os": "linux",
        "disk": "fast",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": f"node-{number}", "labels": labels},
        "status": {"allocatable": room, "capacity": room},
    }
