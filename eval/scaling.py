"""How the time of a frame grows with objects, with the video's size, and with the model's input.

    python eval/scaling.py          # some minutes; results in eval/results/scaling.json and .svg

Tracks drawn clips of rolling balls with the embedded model on the CPU. The points of a curve are
measured in turns, so that a busy machine bends none of them, and the curves show medians as
multiples of their first points.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmark import machine
from speed.scenes import Scene, balls

from persam_video.atomic import write_bytes
from persam_video.config import Settings, load_settings
from persam_video.sam.load import load_model
from persam_video.sam.model import SamModel
from persam_video.tracking import Tracker

RESULTS = Path(__file__).parent / "results"
SIZES = ((426, 240), (854, 480), (1280, 720), (1920, 1080))


@dataclass(frozen=True)
class Point:
    """One setting and what a frame takes with it.

    Attributes:
        label: what is set.
        value: where it lies on the axis.
        seconds: for each tracked frame, the first one excepted.
        ratio: the median, as a multiple of the curve's first point.
    """

    label: str
    value: float
    seconds: tuple[float, ...]
    ratio: float


@dataclass(frozen=True)
class Curve:
    """Points of one quantity."""

    title: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class _Job:
    label: str
    value: float
    scene: Scene
    settings: Settings
    model: SamModel

    def frame_seconds(self) -> list[float]:
        """Track the clip; return what each frame after the annotated one took."""
        tracker = Tracker(self.model, self.settings)
        tracker.step(self.scene.frames[0], self.scene.labels)
        taken = []
        for frame in self.scene.frames[1:]:
            begun = time.perf_counter()
            tracker.step(frame)
            taken.append(time.perf_counter() - begun)
        return taken


def measure(title: str, jobs: Sequence[_Job], repeats: int) -> Curve:
    """Run all jobs in turns."""
    for job in jobs:
        job.frame_seconds()
    taken: list[list[float]] = [[] for _ in jobs]
    for _ in range(repeats):
        for job, seconds in zip(jobs, taken, strict=True):
            seconds.extend(job.frame_seconds())
    first = median(taken[0])
    points = tuple(
        Point(job.label, job.value, tuple(seconds), median(seconds) / first)
        for job, seconds in zip(jobs, taken, strict=True)
    )
    for point in points:
        print(f"{title}: {point.label}: {point.ratio:.2f} times the first", flush=True)
    return Curve(title, points)


def curves(frames: int, repeats: int) -> list[Curve]:
    """Measure the three curves."""
    settings = load_settings("persam", {"model.device": "cpu"})
    model = load_model(settings)
    objects = [_Job(str(n), n, balls(n, frames), settings, model) for n in (1, 2, 4, 8)]
    videos = [
        _Job(f"{w}x{h}", w * h / 1e6, balls(1, frames, (w, h)), settings, model) for w, h in SIZES
    ]
    inputs = []
    for side in (512, 640, 768, 1024):
        chosen = load_settings("persam", {"model.device": "cpu", "model.image_size": side})
        inputs.append(_Job(str(side), side, balls(1, frames), chosen, load_model(chosen)))
    return [
        measure("objects", objects, repeats),
        measure("video, megapixels, 1 object", videos, repeats),
        measure("long side of the model's input, 1 object", inputs, repeats),
    ]


def plot(found: Sequence[Curve]) -> str:
    """Draw the curves beside each other."""
    side, gap = 220, 60
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{len(found) * (side + gap) + gap}" '
        f'height="{side + 2 * gap}" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for number, curve in enumerate(found):
        left, top = gap + number * (side + gap), gap
        widest = max(point.value for point in curve.points)
        highest = max(point.ratio for point in curve.points)
        places = [
            (left + side * p.value / widest, top + side * (1 - p.ratio / highest))
            for p in curve.points
        ]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts += [
            f'<text x="{left}" y="{top - 14}">time of a frame by {curve.title}</text>',
            f'<rect x="{left}" y="{top}" width="{side}" height="{side}" fill="none" '
            'stroke="#bbb"/>',
            f'<polyline points="{line}" fill="none" stroke="#26c" stroke-width="1.5"/>',
        ]
        for (x, y), point in zip(places, curve.points, strict=True):
            parts += [
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#26c"/>',
                f'<text x="{x:.1f}" y="{y - 6:.1f}" text-anchor="end">{point.ratio:.1f}×</text>',
                f'<text x="{x:.1f}" y="{top + side + 16}" text-anchor="middle">'
                f"{point.label}</text>",
            ]
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--frames", type=int, default=4, help="of each clip")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS / "scaling.json")
    options = parser.parse_args()
    found = curves(options.frames, options.repeats)
    facts = {
        "command": f"python eval/scaling.py --frames {options.frames} --repeats {options.repeats}",
        "machine": machine(),
        "curves": [asdict(curve) for curve in found],
    }
    write_bytes(options.out, (json.dumps(facts, indent=1) + "\n").encode())
    write_bytes(options.out.with_suffix(".svg"), plot(found).encode())


if __name__ == "__main__":
    main()
