"""The chart's life in a real control plane: install, upgrade, a migration that fails, rollback, scaling, a recovery,
uninstall; then each of its CI value files. `deploy/verify-cluster` makes the programs it needs and starts it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from deploy.cluster.control_plane import HERE, ClusterError, ControlPlane

ROOT = HERE.parent.parent
CHART = ROOT / "deploy" / "helm" / "okno"
NAMESPACE = "support"
HELM_SECONDS = 120
RELEASE = "okno"
PRIVILEGED = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "not-restricted", "namespace": NAMESPACE},
    "spec": {"containers": [{"name": "a", "image": "a"}]},
}
BESIDE = f"""
apiVersion: v1
kind: Namespace
metadata:
  name: {NAMESPACE}
  labels: {{pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {{name: support}}
value: 1000
---
apiVersion: v1
kind: ServiceAccount
metadata: {{name: okno-pods, namespace: {NAMESPACE}}}
automountServiceAccountToken: false
"""
"""What the CI value files expect to be there, and the namespace that refuses pods that aren't `restricted`."""


class Progress:
    """Says what is done, and how long it has been."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self, text: str) -> None:
        sys.stdout.write(f"{time.monotonic() - self._began:6.1f} s  {text}\n")
        sys.stdout.flush()


class Life:
    """One release's; each step is checked against what the API server shows."""

    def __init__(self, cluster: ControlPlane, say: Progress) -> None:
        self._cluster = cluster
        self.say = say

    def helm(self, *arguments: str, fails: bool = False) -> str:
        """Run helm in the namespace. Raises ClusterError when it does what it shouldn't: fail, or succeed."""
        command = ["helm", f"--kubeconfig={self._cluster.kubeconfig}", f"--namespace={NAMESPACE}", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=HELM_SECONDS + 60)
        if (done.returncode != 0) != fails:
            raise ClusterError(f"helm {' '.join(arguments)}: {'succeeded' if fails else done.stderr.strip()}")
        return done.stdout + done.stderr

    def apply(self, verb: str, values: str, *sets: str, fails: bool = False, seconds: int = HELM_SECONDS) -> str:
        """Install or upgrade the release and wait until everything is ready."""
        chosen = [part for one in sets for part in ("--set", one)]
        file = str(CHART / "ci" / f"{values}-values.yaml")
        return self.helm(
            verb, RELEASE, str(CHART), "-f", file, *chosen, "--wait", "--wait-for-jobs", f"--timeout={seconds}s",
            fails=fails,
        )  # fmt: skip

    def workloads(self) -> list[dict[str, Any]]:
        return self._cluster.items("deployments,statefulsets", "-n", NAMESPACE, "-l", _release())

    def pods(self) -> dict[str, dict[str, Any]]:
        """The pods of processes by name; those on their way out don't count."""
        found = self._cluster.items("pods", "-n", NAMESPACE, "-l", _release())
        return {
            pod["metadata"]["name"]: pod
            for pod in found
            if "deletionTimestamp" not in pod["metadata"] and pod["metadata"]["ownerReferences"][0]["kind"] != "Job"
        }

    def jobs_completed(self) -> list[tuple[str, str]]:
        """When which Job completed, by the events that outlive it: RFC 3339 times in seconds."""
        events = self._cluster.items("events", "-n", NAMESPACE)
        return sorted(
            (event["lastTimestamp"], event["involvedObject"]["name"])
            for event in events
            if event["involvedObject"]["kind"] == "Job" and event["reason"] == "Completed"
        )

    def check_ready(self, *, image: str = "") -> None:
        """Every workload has as many ready pods as it wants, all of them of `image`."""
        for one in self.workloads():
            wanted, name = one["spec"]["replicas"], one["metadata"]["name"]
            _require(one["status"].get("readyReplicas", 0) == wanted, f"{name}: not {wanted} ready pods")
        for name, pod in self.pods().items():
            used = pod["spec"]["containers"][0]["image"]
            _require(used.endswith(image), f"{name} runs {used} instead of {image}")

    def live(self) -> None:
        """From nothing to nothing, by the values of `minimal`."""
        self.say("a pod that isn't restricted is refused")
        refused = self._cluster.kubectl("apply", "-f", "-", given=json.dumps(PRIVILEGED), check=False)
        _require("violates PodSecurity" in refused, f"the namespace lets anything run: {refused}")

        self.say("install: topics and migrations end before a process is made")
        self.apply("install", "minimal", "image.tag=1.0.0")
        self.check_ready(image=":1.0.0")
        done = self.jobs_completed()
        _require([name for _, name in done] == ["okno-topics", "okno-migrate"], f"Jobs completed: {done}")
        first = min(one["metadata"]["creationTimestamp"] for one in self.workloads())
        _require(done[-1][0] <= first, f"the migration ended at {done[-1][0]}, a process was made at {first}")
        _require({"okno-router-0", "okno-router-1"} <= set(self.pods()), "routers aren't named by their numbers")
        _require(not self._cluster.items("jobs", "-n", NAMESPACE), "Jobs are left over")

        self.say("upgrade: a changed value, and a version with a new migration")
        before = self.pods()
        self.apply("upgrade", "minimal", "image.tag=2.0.0", "settings.LOG_LEVEL=DEBUG")
        self.check_ready(image=":2.0.0")
        after = self.pods()
        _require(not _ids(before) & _ids(after), "pods of the old version are left")
        self._check_migrated_first(after, times=2)
        levels = {
            one["data"].get("LOG_LEVEL") for one in self._cluster.items("configmaps", "-n", NAMESPACE, "-l", _release())
        }
        _require(levels == {"DEBUG"}, f"LOG_LEVEL is {levels}")

        self.say("a setting of one process starts that one anew, and no other")
        sets = ("image.tag=2.0.0", "settings.LOG_LEVEL=DEBUG", "processes.router.settings.PARK_KEYS=true")
        self.apply("upgrade", "minimal", *sets)
        changed = {name for name, pod in self.pods().items() if pod["metadata"]["uid"] not in _ids(after)}
        _require(changed == {"okno-router-0", "okno-router-1"}, f"started anew: {sorted(changed)}")

        self.say("upgrade: a migration that fails changes nothing")
        before = self.pods()
        self.apply(
            "upgrade", "minimal", "image.tag=3.0.0", r"jobs.podAnnotations.okno/outcome=fails", "jobs.backoffLimit=0",
            "topics.managedBy=none", fails=True,
        )  # fmt: skip
        _require(_ids(before) == _ids(self.pods()), "a failed migration has touched pods")
        hooks = self._cluster.items("jobs,secrets,serviceaccounts,networkpolicies", "-n", NAMESPACE, "-l", _release())
        names = {"okno-hooks", "okno-values-hooks", "okno-migrate"}
        left = [one["kind"] for one in hooks if one["metadata"]["name"] in names]
        _require(left == ["Job"], f"of the failed migration its Job should be left, for its log, but there are {left}")
        self.check_ready(image=":2.0.0")

        self.say("rollback to the first version: no Job, the old pods again")
        self.helm("rollback", RELEASE, "1", "--wait", f"--timeout={HELM_SECONDS}s")
        self.check_ready(image=":1.0.0")
        completed = [name for _, name in self.jobs_completed()].count("okno-migrate")
        _require(completed == 3, f"{completed} migrations instead of 3: a rollback must not migrate")

        self.say("a version whose pods never become ready: the others go on, and a rollback heals")
        sets = ("image.tag=4.0.0", r"podAnnotations.okno/ready=never", "topics.managedBy=none")
        self.apply("upgrade", "minimal", *sets, fails=True, seconds=20)
        old = [name for name, pod in self.pods().items() if pod["spec"]["containers"][0]["image"].endswith(":1.0.0")]
        _require(len(old) >= len(self.workloads()), f"of the old version only {sorted(old)} are left")
        self.helm("rollback", RELEASE, "--wait", f"--timeout={HELM_SECONDS}s")
        self.check_ready(image=":1.0.0")

        self.say("scale to 4 and back to 1")
        for count in (4, 1):
            self.apply("upgrade", "minimal", "image.tag=1.0.0", f"processes.router.replicas={count}")
            routers = {name for name in self.pods() if name.startswith("okno-router-")}
            _require(routers == {f"okno-router-{number}" for number in range(count)}, f"routers: {sorted(routers)}")

        self._recover()
        self.remove()

    def _recover(self) -> None:
        """The way of docs/kubernetes.md, "Disaster recovery", but for the databases."""
        self.say("a recovery: all but the toolbox is stopped, and an upgrade starts it again")
        with_toolbox = ("image.tag=1.0.0", "toolbox.enabled=true")
        self.apply("upgrade", "minimal", *with_toolbox)
        running = len(self.pods())
        processes = f"{_release()},app.kubernetes.io/component!=cli"
        self._cluster.kubectl("-n", NAMESPACE, "scale", "statefulset,deployment", "--replicas=0", "-l", processes)
        self._cluster.kubectl("-n", NAMESPACE, "wait", "pod", "-l", processes, "--for=delete", "--timeout=60s")
        _require(
            [name.rsplit("-", 2)[0] for name in self.pods()] == ["okno-cli"], f"still there: {sorted(self.pods())}"
        )
        self.apply("upgrade", "minimal", *with_toolbox)
        self.check_ready()
        _require(len(self.pods()) == running, f"of {running} pods only {sorted(self.pods())} are back")

    def _check_migrated_first(self, pods: dict[str, dict[str, Any]], *, times: int) -> None:
        migrated = [at for at, name in self.jobs_completed() if name == "okno-migrate"]
        _require(len(migrated) == times, f"{len(migrated)} migrations completed instead of {times}")
        first = min(pod["metadata"]["creationTimestamp"] for pod in pods.values())
        _require(migrated[-1] <= first, f"the migration ended at {migrated[-1]}, a new pod was made at {first}")

    def remove(self) -> None:
        """Uninstall; what is left must be the topics that Strimzi keeps."""
        self.helm("uninstall", RELEASE, "--wait", f"--timeout={HELM_SECONDS}s")
        kinds = (
            "deployments,statefulsets,jobs,services,configmaps,secrets,serviceaccounts,networkpolicies,ingresses,"
            "poddisruptionbudgets,horizontalpodautoscalers,scaledobjects,triggerauthentications,podmonitors,"
            "prometheusrules,kafkausers,kafkatopics"
        )
        left = self._cluster.items(kinds, "-n", NAMESPACE, "-l", _release())
        wrong = [f"{one['kind']} {one['metadata']['name']}" for one in left if one["kind"] != "KafkaTopic"]
        _require(not wrong, f"left over: {', '.join(wrong)}")

    def options(self) -> None:
        """Each CI value file is installed and removed; then one becomes another and back, operators' resources too."""
        for path in sorted((CHART / "ci").glob("*-values.yaml")):
            values = path.name.removesuffix("-values.yaml")
            self.say(f"values {values}: install, uninstall")
            self.apply("install", values)
            self.check_ready()
            self.remove()
        self.say("values minimal become full, webhooks polling and webhooks again, full minimal")
        name = "fullnameOverride=okno"  # a release that changes its name is another one
        self.apply("install", "minimal", name)
        for values, *sets in (
            ("full",),
            ("full", "telegram.transport=polling"),  # another strategy, which mustn't keep a part of the old one
            ("full",),
            ("minimal",),
        ):
            self.apply("upgrade", values, name, *sets)
            self.check_ready()
        self.remove()


def _release() -> str:
    return f"app.kubernetes.io/instance={RELEASE}"


def _ids(pods: dict[str, dict[str, Any]]) -> set[str]:
    return {pod["metadata"]["uid"] for pod in pods.values()}


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ClusterError(otherwise)


def main() -> int:
    parser = argparse.ArgumentParser(prog="deploy/verify-cluster", description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / ".okno" / "cluster", help="of its files and logs")
    parser.add_argument("--crds", type=Path, action="append", default=[], help="folder of definitions to install")
    chosen = parser.parse_args()
    for name in ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"):
        os.environ[name] = str(chosen.folder / "helm")
    progress = Progress()
    try:
        with ControlPlane(chosen.folder, progress) as cluster:
            for folder in (HERE / "crds", *chosen.crds):
                cluster.kubectl("apply", "--server-side", "-f", str(folder.resolve()))
            cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")
            cluster.kubectl("apply", "-f", "-", given=BESIDE)
            life = Life(cluster, progress)
            life.live()
            life.options()
            progress("all as it must be")
    except KeyboardInterrupt:
        return 130
    except (ClusterError, subprocess.TimeoutExpired) as error:
        sys.stderr.write(f"FAILED: {error}\nlogs: {chosen.folder}/logs\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
