"""How much of two workers is left on Ray, and what Ray costs beside plain processes.

    python -m eval.fleet_efficiency        # 100 clips; writes eval/results/fleet_efficiency.json

Tracks clips of 24 frames in 480p with all usual outputs. Unless ``--image-size`` says otherwise,
the encoder's input is 256, a ninth of the usual pixels, so that what Ray costs for a clip weighs
the more. Each worker has one thread. A run has three parts: until the first frame is written (the
start of Ray, of the workers and their models), until the last video is finished, which is
compared, and until the command has ended.

Two ways run side by side, with the same number of clips for each worker, since what other programs
take from the one they then take from the other, too: two workers on Ray beside two processes, then
two workers on Ray beside one. On a quiet machine, ``--in-turns`` gives each all cores. Who computes
is sampled from ``/proc``, so this runs on Linux. Needs Ray (``pip install -e '.[ray]'``).
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median

from eval import common
from eval.fleet_clips import fingerprints
from persam_video.fleet.manifest import MANIFEST
from persam_video.synthetic import SyntheticFiles, crossing, demo


@dataclass(frozen=True)
class Way:
    """A way of tracking a list of videos.

    Attributes:
        name: what to call it.
        workers: how many track.
        ray: whether they do so on a Ray that is started for it.
    """

    name: str
    workers: int
    ray: bool

    @property
    def options(self) -> Sequence[str]:
        """On the command line."""
        return ("--workers", str(self.workers), *(("--ray", "local") if self.ray else ()))


TWO_PROCESSES = Way("two processes", 2, ray=False)
ONE_ON_RAY = Way("one worker on Ray", 1, ray=True)
TWO_ON_RAY = Way("two workers on Ray", 2, ray=True)
PAIRS = ((TWO_ON_RAY, TWO_PROCESSES), (TWO_ON_RAY, ONE_ON_RAY))
_OPTIONS = ("--device", "cpu", "--quiet")
_IMAGE_SIZE = 256
_FRAMES, _SIZE = 24, (854, 480)
_SAMPLE_SECONDS = 0.25
_TICKS = os.sysconf("SC_CLK_TCK")
_PARTS = (
    ("multiprocessing", "workers"),
    ("ray::IDLE", "workers that wait"),
    ("ray::DashboardAgent", "dashboard agent"),
    ("ray::RuntimeEnvAgent", "runtime environment agent"),
    ("ray::", "workers"),
    ("raylet/raylet", "raylet"),
    ("gcs_server", "gcs server"),
    ("log_monitor.py", "log monitor"),
    ("dashboard.py", "dashboard"),
    ("monitor.py", "autoscaler"),
)
"""Parts by what their command lines contain; the first that fits."""


@dataclass(frozen=True)
class Timing:
    """A run.

    Attributes:
        way: how the clips were tracked.
        clips: how many.
        workers: how many tracked.
        start_seconds: until the first frame was written.
        work_seconds: from there until the last video was finished.
        end_seconds: from there until the command had ended.
        start_cpu: seconds that were computed until the first frame, by part.
        work_cpu: and after it.
        tracking_seconds: of all videos, as the workers on Ray measured them; 0 elsewhere.
    """

    way: str
    clips: int
    workers: int
    start_seconds: float
    work_seconds: float
    end_seconds: float
    start_cpu: Mapping[str, float]
    work_cpu: Mapping[str, float]
    tracking_seconds: float

    @property
    def clip_seconds(self) -> float:
        """Of a worker for a clip, while it works."""
        return self.work_seconds * self.workers / self.clips

    @property
    def clip_cpu(self) -> float:
        """Seconds that a clip was computed for, by all parts, while the workers work."""
        return sum(self.work_cpu.values()) / self.clips


@dataclass(frozen=True)
class Pair:
    """Two runs side by side.

    Attributes:
        first: the one.
        other: the other one.
        load: average over the minute before the end.
    """

    first: Timing
    other: Timing
    load: float


def write_clips(folder: Path) -> tuple[SyntheticFiles, ...]:
    """Write two videos with three objects."""
    width, height = _SIZE
    return tuple(
        replace(clip(), width=width, height=height, length=_FRAMES).write(folder / clip.__name__)
        for clip in (demo, crossing)
    )


def write_jobs(jobs: Path, videos: Sequence[SyntheticFiles], clips: int) -> Path:
    """Write a list of jobs that tracks the videos in turns."""
    lines = ["source,mask,name"]
    for number in range(clips):
        files = videos[number % len(videos)]
        lines.append(f"{files.video},{files.first_mask},clip{number:03d}")
    jobs.write_text("\n".join(lines) + "\n")
    return jobs


def timed(image_size: int, way: Way, clips: int, jobs: Path, out: Path) -> Timing:
    """Run ``persam-video batch``, and watch who computes.

    Args:
        image_size: long side of the encoder's input.
        way: how the clips are tracked.
        clips: how many ``jobs`` lists.
        jobs: the list.
        out: folder of the results.

    Raises:
        RuntimeError: it failed.
    """
    begun = time.time()
    size = ("--set", f"model.image_size={image_size}")
    words = ["batch", str(jobs), "--out", str(out), *size, *_OPTIONS, *way.options]
    process = subprocess.Popen(
        [sys.executable, "-m", "persam_video", *words],
        env={**os.environ, "OMP_NUM_THREADS": "1", "RAY_AUTH_MODE": "disabled"},
    )
    samples: list[tuple[float, dict[int, _Process]]] = [(begun, {})]
    while process.poll() is None:
        samples.append((time.time(), _sample(process.pid, samples[-1][1])))
        time.sleep(_SAMPLE_SECONDS)
    ended = time.time()
    if process.returncode:
        raise RuntimeError(f"{way.name}: status {process.returncode}")
    first = min(path.stat().st_mtime for path in out.glob("*/masks/00000.png"))
    last = max(path.stat().st_mtime for path in out.glob("*/run.json"))
    at_first = _by_part(max((time_, each) for time_, each in samples if time_ <= first)[1])
    at_end = _by_part(samples[-1][1])
    at_work = {part: round(used - at_first.get(part, 0.0), 2) for part, used in at_end.items()}
    lines = (out / MANIFEST).read_text().splitlines() if way.ray else []
    return Timing(
        way.name,
        clips,
        way.workers,
        first - begun,
        last - first,
        ended - last,
        at_first,
        at_work,
        sum(json.loads(line)["seconds"] for line in lines),
    )


@dataclass(frozen=True)
class _Process:
    part: str
    seconds: float


def _by_part(processes: Mapping[int, _Process]) -> dict[str, float]:
    parts: Counter[str] = Counter()
    for process in processes.values():
        parts[process.part] += process.seconds  # type: ignore[assignment]
    return {part: round(seconds, 2) for part, seconds in parts.most_common()}


def _sample(root: int, before: Mapping[int, _Process]) -> dict[int, _Process]:
    """Return a process and its descendants by their ids, and those that were there before."""
    parents: dict[int, int] = {}
    seconds: dict[int, float] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        pid = int(folder.name)
        parents[pid] = int(fields[1])
        seconds[pid] = (int(fields[11]) + int(fields[12])) / _TICKS
    found = dict(before)
    for pid in parents:
        above = pid
        while above != root and above in parents:
            above = parents[above]
        if above == root:
            part = "command" if pid == root else _part(pid)
            # one that ends has no command line any more
            if part is None:
                part = before[pid].part if pid in before else "other"
            found[pid] = _Process(part, seconds[pid])
    return found


def _part(pid: int) -> str | None:
    """Return what a process is, by its command line; ``None`` without one."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return None
    return next((part for mark, part in _PARTS if mark in words), "other") if words else None


def facts(pairs: Sequence[Pair], command: str) -> Mapping[str, object]:
    """Return what is recorded."""
    on_ray = [pair.first for pair in pairs]
    return {
        "command": command,
        "machine": common.machine(),
        "cores": os.cpu_count(),
        "start_seconds": median(timing.start_seconds for timing in on_ray),
        "head_seconds": median(timing.work_cpu["command"] / timing.clips for timing in on_ray),
        "pairs": [{**compared(pair), **asdict(pair)} for pair in pairs],
    }


def compared(pair: Pair) -> dict[str, float]:
    """Return what a clip costs the first way, in parts of the other one, and how long it waits."""
    first, other = pair.first, pair.other
    return {
        "seconds_ratio": first.clip_seconds / other.clip_seconds,
        "cpu_ratio": first.clip_cpu / other.clip_cpu,
        "idle_seconds": first.clip_seconds - first.tracking_seconds / first.clips,
    }


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--clips", type=common.count, default=100, help="for each two workers")
    parser.add_argument("--in-turns", action="store_true", help="not side by side")
    parser.add_argument("--image-size", type=common.count, default=_IMAGE_SIZE)
    parser.add_argument("--out", type=Path, default=common.RESULTS / "fleet_efficiency.json")
    options = parser.parse_args()
    pairs = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        videos = write_clips(folder)
        track = partial(timed, options.image_size)
        for number, ways in enumerate(PAIRS):
            clips = [max(1, options.clips * way.workers // 2) for way in ways]
            jobs = [write_jobs(folder / f"{n}.csv", videos, n) for n in clips]
            outs = [folder / f"out{number}-{way.workers}-{way.ray}" for way in ways]
            with ThreadPoolExecutor(1 if options.in_turns else len(ways)) as pool:
                first, beside = pool.map(track, ways, clips, jobs, outs)
            pair = Pair(first, beside, os.getloadavg()[0])
            print(pair, compared(pair), flush=True)
            pairs.append(pair)
            found, other = map(fingerprints, outs)
            if any(found[name] != sha256 for name, sha256 in other.items()):
                raise RuntimeError("the results differ")
    command = f"python -m eval.fleet_efficiency --clips {options.clips}"
    if options.image_size != _IMAGE_SIZE:
        command += f" --image-size {options.image_size}"
    if options.in_turns:
        command += " --in-turns"
    common.write_facts(options.out, facts(pairs, command))


if __name__ == "__main__":
    common.run(main)
