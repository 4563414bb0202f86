"""Simulate 10,000 videos on up to 400 GPUs, with failures, to see where a fleet saturates.

    python -m eval.fleet_simulation        # writes eval/results/fleet_simulation.json and .svg

A discrete-event loop of its own: workers take videos in the order of ``hand_out_order``, fetch them
over a storage of which each has an equal share even when others need none, track them, and write
their results; machines fail at random and come back, and their video begins anew. What was measured
(what the command computes for each video, and a worker's start) comes from ``eval/results``; what
was assumed is in ``Assumed``.
"""

import heapq
import json
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

from eval import common
from persam_video.fleet.order import hand_out_order

WORKERS = (25, 50, 100, 200, 400)


@dataclass(frozen=True)
class Measured:
    """What was measured.

    Attributes:
        head_seconds: of the command for each video, while others wait.
        start_seconds: until a new worker can be given a video.
    """

    head_seconds: float
    start_seconds: float


@dataclass(frozen=True)
class Assumed:
    """What a fleet is taken to be.

    Attributes:
        videos: number of them.
        frames: median length in frames; lengths are log-normal.
        spread: standard deviation of the logarithm of the length.
        fps: frames that a GPU tracks in a second.
        source_bytes: of a frame of the source.
        result_bytes: of a frame of the results.
        storage_bytes: that the storage gives and takes in a second, for all together.
        link_bytes: that one machine gets or sends in a second.
        hours_between_failures: of one worker.
        back_seconds: until the cluster has a new machine.
        retries: after which a video is given up.
    """

    videos: int = 10_000
    frames: float = 900.0
    spread: float = 1.0
    fps: float = 30.0
    source_bytes: float = 25e3
    result_bytes: float = 15e3
    storage_bytes: float = 1.25e9
    link_bytes: float = 300e6
    hours_between_failures: float = 24.0
    back_seconds: float = 180.0
    retries: int = 3


@dataclass(frozen=True)
class Outcome:
    """How a simulated run went.

    Attributes:
        workers: number of GPUs.
        hours: until the last video was done.
        efficiency: share of the workers' time that went into frames that were kept.
        last_hours: between the first idle worker and the end: what stragglers cost.
        failures: workers that failed.
        given_up: videos that failed too often.
        head_busy: share of the time that the command was busy.
        storage_busy: share of the time in which the storage's bandwidth would be used up.
    """

    workers: int
    hours: float
    efficiency: float
    last_hours: float
    failures: int
    given_up: int
    head_busy: float
    storage_busy: float


def lengths(assumed: Assumed, seed: int) -> list[float]:
    """Draw the frames of all videos."""
    chance = random.Random(seed)
    return [
        max(30.0, assumed.frames * chance.lognormvariate(0.0, assumed.spread))
        for _ in range(assumed.videos)
    ]


def simulate(
    workers: int,
    assumed: Assumed,
    measured: Measured,
    *,
    seed: int = 0,
    largest_first: bool = True,
) -> Outcome:
    """Run all videos through a fleet."""
    frames = lengths(assumed, seed)
    order = hand_out_order(frames, frames) if largest_first else frames
    waiting = deque((length, 0) for length in order)
    chance = random.Random(seed + 1)
    # all transfers together get no more than the storage has; a worker no more than its link
    rate = min(assumed.link_bytes, assumed.storage_bytes / workers)
    per_frame = (assumed.source_bytes + assumed.result_bytes) / rate + 1 / assumed.fps
    free = [(measured.start_seconds, number) for number in range(workers)]
    again: list[tuple[float, float, int]] = []  # when a video comes back, its length, its tries
    head_free, kept, failures, given_up, first_idle, end = 0.0, 0.0, 0, 0, None, 0.0
    while free:
        now, number = heapq.heappop(free)
        while again and again[0][0] <= now:
            waiting.appendleft(heapq.heappop(again)[1:])
        if not waiting:
            first_idle = now if first_idle is None else first_idle
            if again:
                heapq.heappush(free, (again[0][0], number))
            continue
        length, tries = waiting.popleft()
        # the command does one thing after the other
        begin = head_free = max(now, head_free) + measured.head_seconds
        needed = length * per_frame
        fails = chance.expovariate(1 / (assumed.hours_between_failures * 3600))
        if fails < needed:
            failures += 1
            if tries < assumed.retries:
                heapq.heappush(again, (begin + fails, length, tries + 1))
            else:
                given_up += 1
            end = max(end, begin + fails)
            back = begin + fails + assumed.back_seconds + measured.start_seconds
            heapq.heappush(free, (back, number))
            continue
        kept += length / assumed.fps
        end = max(end, begin + needed)
        heapq.heappush(free, (begin + needed, number))
    total = sum(frames) * (assumed.source_bytes + assumed.result_bytes)
    return Outcome(
        workers,
        end / 3600,
        kept / (workers * end),
        (end - (first_idle or end)) / 3600,
        failures,
        given_up,
        assumed.videos * measured.head_seconds / end,
        total / assumed.storage_bytes / end,
    )


def read_measured(path: Path) -> Measured:
    """Read what ``eval.fleet_efficiency`` has measured."""
    found = json.loads(path.read_text())
    return Measured(found["head_seconds"], found["start_seconds"])


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--measured", type=Path, default=common.RESULTS / "fleet_efficiency.json")
    parser.add_argument("--out", type=Path, default=common.RESULTS / "fleet_simulation.json")
    options = parser.parse_args()
    measured, assumed = read_measured(options.measured), Assumed()
    runs = {
        "as assumed": assumed,
        "a tenth of the storage's bandwidth": replace(
            assumed, storage_bytes=assumed.storage_bytes / 10
        ),
        "a failure an hour": replace(assumed, hours_between_failures=1.0),
        "lengths that differ more (spread 2)": replace(assumed, spread=2.0),
    }
    found = {
        name: [simulate(workers, each, measured) for workers in WORKERS]
        for name, each in runs.items()
    }
    in_list_order = [
        simulate(workers, assumed, measured, largest_first=False) for workers in WORKERS
    ]
    found["in the order of the list"] = in_list_order
    for name, outcomes in found.items():
        print(f"{name}\n{table(outcomes)}\n")
    facts = {
        "command": "python -m eval.fleet_simulation",
        "measured": asdict(measured),
        "assumed": asdict(assumed),
        "median_frames": median(lengths(assumed, 0)),
        "outcomes": found,
    }
    common.write_facts(options.out, facts)
    panels = [
        common.Panel(name, [str(o.workers) for o in outcomes], [o.efficiency for o in outcomes])
        for name, outcomes in found.items()
    ]
    caption = "Share of the GPUs' time that went into frames that were kept, by number of GPUs"
    common.draw(options.out.with_suffix(".svg"), panels, caption)


def table(outcomes: Sequence[Outcome]) -> str:
    """Return a row for each number of workers."""
    header = ("GPUs", "hours", "efficiency", "stragglers, h", "failures", "given up", "head busy")
    rows = [
        (
            str(o.workers),
            f"{o.hours:.2f}",
            f"{o.efficiency:.3f}",
            f"{o.last_hours:.2f}",
            str(o.failures),
            str(o.given_up),
            f"{o.head_busy:.4f}",
        )
        for o in outcomes
    ]
    return common.table(
        (*header, "storage busy"),
        [(*row, f"{o.storage_busy:.3f}") for row, o in zip(rows, outcomes, strict=True)],
    )


if __name__ == "__main__":
    common.run(main)
