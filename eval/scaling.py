"""Measure how time per frame grows with objects, frame size, input size and length of the video.

    python -m eval.scaling          # a quarter of an hour; eval/results/scaling.json and .svg

Tracks synthetic clips of rolling balls with the embedded model, frame by frame on the CPU. The
points of a curve are measured in turns, so that a busy machine affects all of them alike. A model
of the time per frame is fitted to all points of the first three curves by least squares, and drawn
with them.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, cycle, islice
from pathlib import Path
from statistics import median

import numpy as np

from eval import common
from eval.speed.cost import Cost, Load, Point, fit
from eval.speed.scenes import Scene, balls
from persam_video.config import Settings, load_settings
from persam_video.sam.build import load_model
from persam_video.sam.model import SamModel
from persam_video.tracking import Tracker
from persam_video.util.machine import settle_memory

OBJECTS = (1, 2, 4, 8, 16, 32)
SIZES = {"240p": (426, 240), "480p": (854, 480), "720p": (1280, 720), "1080p": (1920, 1080)} | {
    "4K": (3840, 2160)
}
INPUTS = (512, 640, 768, 1024)
LENGTHS = (100, 300, 1000, 3000, 10_000)


@dataclass(frozen=True)
class Curve:
    """Measured points that differ in one quantity only."""

    title: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Length:
    """How a long run has gone so far.

    Attributes:
        frames: that are done.
        seconds: that each of them took, on average.
        resident_mib: resident memory after them.
    """

    frames: int
    seconds: float
    resident_mib: float


@dataclass(frozen=True)
class _Job:
    label: str
    scene: Scene
    settings: Settings
    model: SamModel

    @property
    def load(self) -> Load:
        height, width = self.scene.labels.shape
        cells = np.prod(self.model.encode(self.scene.frames[0]).grid)
        return Load(int(self.scene.labels.max()), width * height / 1e6, int(cells) / 1e3)

    def frame_seconds(self) -> list[float]:
        """Track the clip; return the time of each frame after the annotated one."""
        tracker = Tracker(self.model, self.settings)
        tracker.step(self.scene.frames[0], self.scene.labels)
        taken = []
        for frame in self.scene.frames[1:]:
            begun = time.perf_counter()
            tracker.step(frame)
            taken.append(time.perf_counter() - begun)
        return taken


def measure(title: str, jobs: Sequence[_Job], repeats: int) -> Curve:
    """Measure the points of a curve in turns."""
    for job in jobs:
        job.frame_seconds()
    taken: list[list[float]] = [[] for _ in jobs]
    for _ in range(repeats):
        for job, seconds in zip(jobs, taken, strict=True):
            seconds.extend(job.frame_seconds())
    points = [
        Point(job.label, job.load, median(seconds))
        for job, seconds in zip(jobs, taken, strict=True)
    ]
    for point in points:
        print(f"{title}: {point.label}: {point.seconds:.3f} s per frame", flush=True)
    return Curve(title, tuple(points))


def curves(frames: int, repeats: int) -> list[Curve]:
    """Measure the curves to which the model is fitted."""
    settings = load_settings("persam", {"model.device": "cpu"})
    model = load_model(settings)
    objects = [_Job(str(n), balls(n, frames, across=0.125), settings, model) for n in OBJECTS]
    found = [measure("objects, 480p", objects, repeats)]
    videos = [_Job(name, balls(1, frames, size), settings, model) for name, size in SIZES.items()]
    found.append(measure("size of the video, 1 object", videos, repeats))
    inputs = []
    for side in INPUTS:
        chosen = load_settings("persam", {"model.device": "cpu", "model.image_size": side})
        inputs.append(_Job(str(side), balls(1, frames), chosen, load_model(chosen)))
    return [*found, measure("long side of the model's input, 480p, 1 object", inputs, repeats)]


def lengths() -> list[Length]:
    """Track one ball back and forth for the longest length, at the smallest input."""
    settings = load_settings("persam", {"model.device": "cpu", "model.image_size": 128})
    tracker = Tracker(load_model(settings), settings)
    scene = balls(1, 40, (256, 144))
    back_and_forth = chain(scene.frames, reversed(scene.frames))
    found, begun = [], time.perf_counter()
    for done, frame in enumerate(islice(cycle(back_and_forth), LENGTHS[-1]), start=1):
        tracker.step(frame, scene.labels if done == 1 else None)
        if done in LENGTHS:
            seconds = (time.perf_counter() - begun) / done
            found.append(Length(done, seconds, common.resident_mib()))
            print(f"length: {done}: {seconds:.3f} s per frame", flush=True)
    return found


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--frames", type=common.count, default=4, help="frames of each clip")
    parser.add_argument("--repeats", type=common.count, default=3)
    parser.add_argument("--out", type=Path, default=common.RESULTS / "scaling.json")
    options = parser.parse_args()
    settle_memory()  # as `track` does
    found = curves(options.frames, options.repeats)
    cost = fit([point for curve in found for point in curve.points])
    print(cost)
    long = lengths()
    facts = {
        "command": f"python -m eval.scaling --frames {options.frames} --repeats {options.repeats}",
        "machine": common.machine(),
        "cost": cost,
        "curves": found,
        "lengths": long,
    }
    common.write_facts(options.out, facts)
    draw(options.out.with_suffix(".svg"), found, cost, long)


def draw(path: Path, found: Sequence[Curve], cost: Cost, long: Sequence[Length]) -> None:
    """Draw all curves side by side, with the fitted model."""
    panels = [
        common.Panel(
            curve.title,
            [point.label for point in curve.points],
            [point.seconds for point in curve.points],
            [cost.seconds(point.load) for point in curve.points],
        )
        for curve in found
    ]
    frames, seconds = [f"{length.frames:,}" for length in long], [length.seconds for length in long]
    panels.append(common.Panel("frames, 256x144, input of 128", frames, seconds))
    common.draw(path, panels, f"Seconds per frame; dashed: {cost}")


if __name__ == "__main__":
    common.run(main)
