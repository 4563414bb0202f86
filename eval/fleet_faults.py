"""Kill machines of a Ray cluster, and the command itself, while a list of videos is tracked.

    python -m eval.fleet_faults            # 30 clips; writes eval/results/fleet_faults.json

A cluster of three machines runs on this one. Machines are killed and replaced at random moments,
then the command is killed and continued with ``--resume``. The masks and tracks have to be those of
``--workers 1``, byte for byte. Needs Ray (``pip install -e '.[ray]'``).
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Thread
from typing import Any

from eval import common
from eval.fleet_clips import FAST, fingerprints, write_clips
from persam_video.fleet.manifest import MANIFEST

_ATTEMPTS = 3
"""How often a machine is started that does not come up."""

_STORE_BYTES = 80 << 20
_PATIENCE = 240.0  # seconds until a run counts as stuck


@dataclass(frozen=True)
class Faults:
    """What happened.

    Attributes:
        clips: number of videos.
        killed_at: videos that were done each time a machine was killed.
        driver_killed_at: videos that were done when the command was killed.
        tracked_again: videos of which the manifest has more than one line.
        files: that were compared.
        different: those of them that differ from ``--workers 1``, or are missing.
        seconds: of all.
    """

    clips: int
    killed_at: tuple[int, ...]
    driver_killed_at: int
    tracked_again: tuple[str, ...]
    files: int
    different: tuple[str, ...]
    seconds: float


class Machines:
    """A Ray cluster whose machines are processes of this one; each has a core, the head none.

    Only who has a core makes progress, so that there is always one to kill when there was some.

    Attributes:
        address: of its head.
    """

    def __init__(self, machines: int) -> None:
        from ray.cluster_utils import Cluster  # noqa: PLC0415 an extra

        options = {"object_store_memory": _STORE_BYTES, "include_dashboard": False}
        # it would handle signals, which threads may not, and machines join in threads
        self._cluster = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 0, **options},
            shutdown_at_exit=False,
        )
        self._options = {"num_cpus": 1, **options}
        self.address: str = self._cluster.address
        self._there: list[Any] = []
        self._joining: list[Thread] = []
        for _ in range(machines):
            self._add()

    def _add(self) -> None:
        for left in reversed(range(_ATTEMPTS)):
            try:
                self._there.append(self._cluster.add_node(wait=False, **self._options))
                return
            except Exception:  # of no other kind where a machine has not started in half a minute
                if not left:
                    raise

    def kill_one(self, choice: random.Random) -> None:
        """Kill a machine with all its processes; another one joins when it is ready."""
        if not self._there:  # what was done lately was done by one that is about to join
            for thread in self._joining:
                thread.join()
        lost = choice.choice(self._there)
        self._there.remove(lost)
        self._cluster.remove_node(lost, allow_graceful=False)
        self._joining.append(Thread(target=self._add))
        self._joining[-1].start()

    def close(self) -> None:
        """End the cluster."""
        for thread in self._joining:
            thread.join()
        self._cluster.shutdown()


@contextmanager
def machines(number: int) -> Iterator[Machines]:
    """Start a cluster on this machine, for itself alone, and end it after the block."""
    mine = {
        # a process that has started Ray before goes on with the mode of then
        "RAY_AUTH_MODE": os.environ.get("RAY_AUTH_MODE", "disabled"),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_worker_niceness": "0",
        # a machine counts as gone after seconds, not after half a minute, but not while it starts
        "RAY_health_check_initial_delay_ms": "10000",
        "RAY_health_check_period_ms": "1000",
        "RAY_health_check_failure_threshold": "3",
        "OMP_NUM_THREADS": "1",
    }
    before = {name: os.environ.get(name) for name in mine}
    os.environ.update(mine)
    try:
        cluster = Machines(number)
        try:
            yield cluster
        finally:
            cluster.close()
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def batch(jobs: Path, out: Path, *more: str) -> "subprocess.Popen[str]":
    """Begin ``persam-video batch``."""
    words = ["batch", str(jobs), "--out", str(out), *FAST, *more]
    return subprocess.Popen(
        [sys.executable, "-m", "persam_video", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def ended(process: "subprocess.Popen[str]") -> str:
    """Wait for a command, and return what it printed.

    Raises:
        RuntimeError: it failed, or said something on standard error.
    """
    out, errors = process.communicate(timeout=_PATIENCE)
    if process.returncode or errors:
        raise RuntimeError(f"status {process.returncode}: {errors or out}")
    return out


def done(out: Path) -> list[str]:
    """Return the names of the videos that a manifest has, once for each line."""
    path = out / MANIFEST
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line)["name"] for line in lines]


def wait_for(process: "subprocess.Popen[str]", out: Path, videos: int) -> int:
    """Wait until so many videos are done, and return how many are.

    Raises:
        RuntimeError: the command has ended before, or nothing happens.
    """
    until = time.monotonic() + _PATIENCE
    while (now := len(done(out))) < videos:
        if process.poll() is not None:
            raise RuntimeError(f"ended early: {process.communicate()}")
        if time.monotonic() > until:
            raise RuntimeError(f"{now} of {videos} videos after {_PATIENCE} s")
        time.sleep(0.05)
    return now


def run(
    folder: Path, number: int, clips: int, kill_at: Sequence[int], driver_at: int, seed: int
) -> Faults:
    """Track clips on so many machines; one is killed at each of these numbers of done videos."""
    begun = time.perf_counter()
    jobs, out, choice = write_clips(folder / "clips", clips), folder / "out", random.Random(seed)
    with machines(number) as cluster:
        how = ("--ray", cluster.address)
        process = batch(jobs, out, *how)
        killed_at = []
        for videos in kill_at:
            killed_at.append(wait_for(process, out, videos))
            cluster.kill_one(choice)
        driver_killed_at = wait_for(process, out, driver_at)
        process.kill()
        process.communicate()
        said = ended(batch(jobs, out, *how, "--resume"))
    if not said.startswith(f"{clips} of {clips} finished"):
        raise RuntimeError(said)
    ended(batch(jobs, folder / "one", "--workers", "1"))
    found, wanted = fingerprints(out), fingerprints(folder / "one")
    names = done(out)
    return Faults(
        clips,
        tuple(killed_at),
        driver_killed_at,
        tuple(sorted({name for name in names if names.count(name) > 1})),
        len(wanted),
        tuple(sorted(n for n in {*found, *wanted} if found.get(n) != wanted.get(n))),
        time.perf_counter() - begun,
    )


def facts(found: Faults, seed: int) -> Mapping[str, Any]:
    """Return what is recorded."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return {**asdict(found), "seed": seed, "load": load, "machine": common.machine()}


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--clips", type=common.count, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=common.RESULTS / "fleet_faults.json")
    options = parser.parse_args()
    clips = options.clips
    kill_at = sorted(random.Random(options.seed).sample(range(1, clips * 2 // 3), 3))
    with tempfile.TemporaryDirectory() as folder:
        found = run(Path(folder), 3, clips, kill_at, clips * 3 // 4, options.seed)
    common.write_facts(options.out, facts(found, options.seed))
    print(found)
    sys.exit(1 if found.different else 0)


if __name__ == "__main__":
    common.run(main)
