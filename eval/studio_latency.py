"""Measure how long a user of the studio waits: from a click to its mask, and for tracking.

The clicks are those of a user who marks an object and corrects the mask: one on the object, one
beside it, another on it, then a box; all of them in a frame that is already encoded, and the first
one also in a frame that is not. Wall time depends on what else the machine does; the processor time
of the answering thread, with torch on one thread, does not.

    python -m eval.studio_latency clip.mp4 --at 150,120 --threads 2   # writes eval/results/
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median

import torch

from eval import common
from persam_video.config import load_settings
from persam_video.studio import InteractiveSession


@dataclass(frozen=True)
class Latency:
    """Time of a gesture in milliseconds.

    Attributes:
        wall: median wall time.
        least_wall: minimum wall time.
        processor: median processor time of the answering thread.
        least_processor: its minimum.
    """

    wall: float
    least_wall: float
    processor: float
    least_processor: float


@dataclass(frozen=True)
class Facts:
    """The measurements.

    Attributes:
        machine: description of the machine.
        load: load average of the last minute, at the beginning and at the end.
        size: height and width of the frames.
        repeats: repetitions of each gesture.
        model_seconds: time to import torch and load the model.
        gestures: latency by gesture.
        frames_per_second: of tracking one object, in wall time.
        frames_per_processor_second: the same in processor time.
    """

    machine: str
    load: tuple[float, float]
    size: tuple[int, int]
    repeats: int
    model_seconds: float
    gestures: dict[str, Latency]
    frames_per_second: float
    frames_per_processor_second: float


@dataclass
class Stopwatch:
    """Seconds of repeated runs of one action."""

    wall: list[float]
    processor: list[float]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Time a block."""
        begun = time.perf_counter(), time.thread_time()
        yield
        self.wall.append(time.perf_counter() - begun[0])
        self.processor.append(time.thread_time() - begun[1])

    @property
    def latency(self) -> Latency:
        """Medians and minima."""
        found = (median(self.wall), min(self.wall), median(self.processor), min(self.processor))
        return Latency(*(round(1000 * seconds, 1) for seconds in found))


def measure(source: Path, at: tuple[float, float], repeats: int, frames: int) -> Facts:
    """Mark, correct and track the object at a point (x, y) of the first frame."""
    names = ("first click, frame not encoded", "first click", "click beside", "click on it", "box")
    watches = {name: Stopwatch([], []) for name in names}
    x, y = at
    load = os.getloadavg()[0]
    with (
        tempfile.TemporaryDirectory() as folder,
        InteractiveSession(source, folder, settings=load_settings("persam")) as session,
    ):
        begun = time.perf_counter()
        with session.model.turn():
            model_seconds = time.perf_counter() - begun
        marked = session.add_object().id
        height, width = session.size
        box = (max(0, x - 40), max(0, y - 40), min(width, x + 40), min(height, y + 40))
        for _ in range(repeats):
            session.forget_embeddings()
            with watches[names[0]].running():
                session.click(0, marked, x, y)
            session.clear(0, marked)
            with watches[names[1]].running():
                session.click(0, marked, x, y)
            with watches[names[2]].running():
                session.click(0, marked, box[0] + 1, box[1] + 1, positive=False)
            with watches[names[3]].running():
                session.click(0, marked, x + 2, y + 2)
            with watches[names[4]].running():
                session.box(0, marked, box)
            session.clear(0, marked)
        session.click(0, marked, x, y)
        rates = Stopwatch([], [])
        propagation = session.propagate(0)
        next(propagation)  # the annotated frame is learned, not tracked
        while True:
            with rates.running():
                if not list(islice(propagation, 1)):
                    break
            if len(rates.wall) == frames:
                break
    return Facts(
        common.machine(),
        (round(load, 1), round(os.getloadavg()[0], 1)),
        (height, width),
        repeats,
        round(model_seconds, 2),
        {name: watch.latency for name, watch in watches.items()},
        round(1 / median(rates.wall), 2),
        round(1 / median(rates.processor), 2),
    )


def _point(text: str) -> tuple[float, float]:
    x, _, y = text.partition(",")
    try:
        return float(x), float(y)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not X,Y") from None


def main() -> None:
    """Run the script."""
    parser = common.parser(__doc__)
    parser.add_argument("source", type=Path, help="video or folder of images, 480p")
    parser.add_argument("--at", type=_point, required=True, help="X,Y on an object in frame 0")
    parser.add_argument("--repeats", type=common.count, default=7)
    parser.add_argument("--frames", type=common.count, default=40, help="frames to track")
    parser.add_argument("--threads", type=common.count, default=2, help="threads of torch")
    parser.add_argument("--out", type=Path, default=common.RESULTS / "studio_latency.json")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    facts = measure(chosen.source, chosen.at, chosen.repeats, chosen.frames)
    common.write_facts(chosen.out, facts)
    rows = [
        (
            name,
            f"{latency.wall:.0f} ({latency.least_wall:.0f})",
            f"{latency.processor:.0f} ({latency.least_processor:.0f})",
        )
        for name, latency in facts.gestures.items()
    ]
    print(common.table(("gesture", "ms (least)", "ms of one processor (least)"), rows))
    print(
        f"\n{facts.frames_per_second} frames per second ({facts.frames_per_processor_second} "
        f"per second of one processor), {facts.machine}, load {facts.load[0]} to {facts.load[1]}"
    )


if __name__ == "__main__":
    common.run(main)
