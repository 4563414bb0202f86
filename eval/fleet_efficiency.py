"""How much of two workers is left on Ray, and what Ray costs beside plain processes.

    python -m eval.fleet_efficiency        # 100 clips; writes eval/results/fleet_efficiency.json

Tracks the same clips with one and two workers on Ray and with two processes, in turns, one thread
each, on this machine. What counts is the time from the first to the last finished video, without
the start of Ray, the processes and the model; the least of the repeats, since what else the machine
does only adds. Needs Ray (``pip install -e '.[ray]'``).
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from eval import common
from eval.fleet_clips import FAST, fingerprints, write_clips
from eval.fleet_faults import machines

FEW = 5
"""Clips of the run that tells what the command computes before the first one."""


@dataclass(frozen=True)
class Timing:
    """A run.

    Attributes:
        way: how the clips were tracked.
        seconds: of the whole command.
        start_seconds: until the first video had ended.
        busy_seconds: from the end of the first video to the end of the last one.
        cpu_seconds: that the command itself computed, without its workers.
    """

    way: str
    seconds: float
    start_seconds: float
    busy_seconds: float
    cpu_seconds: float


def timed(way: str, jobs: Path, out: Path, more: Sequence[str]) -> Timing:
    """Run ``persam-video batch``, and watch its results appear.

    Raises:
        RuntimeError: it failed.
    """
    begun = time.time()
    process = subprocess.Popen(
        [sys.executable, "-m", "persam_video", "batch", str(jobs), "--out", str(out), *FAST, *more],
        stdout=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{way}: status {process.returncode}")
    # the record is the last file of a run to be written
    ends = sorted(path.stat().st_mtime for path in out.glob("*/run.json"))
    cpu = used.ru_utime + used.ru_stime
    return Timing(way, time.time() - begun, ends[0] - begun, ends[-1] - ends[0], cpu)


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--clips", type=common.count, default=100)
    parser.add_argument("--frames", type=common.count, default=6)
    parser.add_argument("--repeats", type=common.count, default=3)
    parser.add_argument("--out", type=Path, default=common.RESULTS / "fleet_efficiency.json")
    options = parser.parse_args()
    timings: list[Timing] = []
    loads = [os.getloadavg()[0]]
    with tempfile.TemporaryDirectory() as name, machines(2) as cluster:
        folder = Path(name)
        jobs = write_clips(folder / "clips", options.clips, options.frames)
        ways = {
            "one worker on Ray": ("--ray", cluster.address, "--workers", "1"),
            "two workers on Ray": ("--ray", cluster.address, "--workers", "2"),
            "two processes": ("--workers", "2"),
        }
        outs = []
        for repeat in range(options.repeats):
            for number, (way, more) in enumerate(ways.items()):
                outs.append(folder / f"out{repeat}-{number}")
                timings.append(timed(way, jobs, outs[-1], more))
                loads.append(os.getloadavg()[0])
                print(timings[-1], flush=True)
        few = write_clips(folder / "few", FEW, options.frames)
        begin = timed("few", few, folder / "out-few", ways["two workers on Ray"])
        if any(fingerprints(out) != fingerprints(outs[0]) for out in outs):
            raise RuntimeError("the results differ")
    busy = {way: [timing.busy_seconds for timing in timings if timing.way == way] for way in ways}
    one, two, processes = (min(busy[way]) for way in ways)  # what else runs only adds
    on_ray = [timing for timing in timings if timing.way == "two workers on Ray"]
    head = median(timing.cpu_seconds for timing in on_ray) - begin.cpu_seconds
    facts = {
        "command": "python -m eval.fleet_efficiency"
        f" --clips {options.clips} --frames {options.frames} --repeats {options.repeats}",
        "machine": common.machine(),
        "cores": os.cpu_count(),
        "load": loads,
        "timings": [asdict(timing) for timing in timings],
        "head_seconds": max(0.0, head / (options.clips - FEW)),
        "start_seconds": median(timing.start_seconds for timing in on_ray),
        "two_workers_of_one": one / two / 2,
        "ray_over_processes": two / processes - 1,
    }
    common.write_facts(options.out, facts)
    print(f"efficiency {one / two / 2:.3f}, overhead {two / processes - 1:+.3f}, load {loads}")


if __name__ == "__main__":
    common.run(main)
