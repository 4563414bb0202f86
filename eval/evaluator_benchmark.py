"""Time our DAVIS evaluator against vos-benchmark and the official code, and compare the figures.

    python -m eval.evaluator_benchmark --official-path davis2017-evaluation

Two sets are scored: a synthetic sequence of 80 frames of 854x480 with one object, and, if present,
the development results in ``../shared/data/evaluator``. vos-benchmark and the official code take
part when they are installed (see ``tests/davis/test_vos_benchmark.py``) or given; the official code
needs scikit-image and tqdm.

Times are processor times on one core, the minimum of several runs after start-up, so that neither
imports nor other programs on the machine count; only the last line is wall time on all cores.
"""

import math
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, TypeVar

import cv2
import numpy as np
import typer
from PIL import Image
from rich.console import Console

from eval import common
from persam_video.davis.dataset import DavisDataset
from persam_video.davis.evaluation import Evaluation, evaluate
from persam_video.davis.official import difference, run_official
from persam_video.util.table import Row, Table, show

T = TypeVar("T")

FRAMES = 80
"""Frames of the synthetic sequence."""


@dataclass(frozen=True)
class Timing:
    """The time of one evaluator on one set.

    Attributes:
        evaluator: name of the evaluator.
        seconds: processor or wall time.
        ratio: its time divided by ours on one core.
        difference: largest absolute difference of its figures from ours.
    """

    evaluator: str
    seconds: float
    ratio: float
    difference: float


def main(
    official_path: Annotated[
        Path | None, typer.Option(help="Checkout of davis2017-evaluation.")
    ] = None,
    repeat: Annotated[int, typer.Option(min=1, help="Runs of each evaluator.")] = 5,
    output: Annotated[
        Path | None, typer.Option("--json", help="JSON file for the figures.")
    ] = None,
) -> None:
    """Time the evaluators side by side."""
    with tempfile.TemporaryDirectory() as folder:
        sets = {f"{FRAMES} frames of 854x480, one object": draw_sequence(Path(folder))}
        evaluator = common.SHARED / "evaluator"
        if evaluator.is_dir():
            sets["shared/data/evaluator"] = (evaluator / "davis", evaluator / "results")
        report: dict[str, list[dict[str, Any]]] = {}
        console = Console()
        for name, (root, results) in sets.items():
            timings = tuple(compare(DavisDataset(root), results, official_path, repeat))
            rows: tuple[Row, ...] = tuple(
                (timing.evaluator, timing.seconds, timing.ratio, f"{timing.difference:.1e}")
                for timing in timings
            )
            header = ("Evaluator", "Seconds", "Ratio", "Largest difference")
            show([Table(name, header, rows, digits=3)], console)
            console.print()
            report[name] = [asdict(timing) for timing in timings]
    if output is not None:
        facts = {"machine": platform.machine(), "cores": os.cpu_count(), "repeat": repeat}
        common.write_facts(output, {**facts, "sets": report})


def compare(
    dataset: DavisDataset, results: Path, official_path: Path | None, repeat: int
) -> Iterator[Timing]:
    """Time every available evaluator on one set."""
    with one_core():
        seconds, ours = fastest(lambda: evaluate(results, dataset, workers=1), repeat)
        yield Timing("persam-video", seconds, 1.0, 0.0)
        try:
            video_evaluator = import_module("vos_benchmark.benchmark").VideoEvaluator
        except ImportError:
            typer.echo("vos-benchmark is not installed", err=True)
        else:
            other = video_evaluator(dataset.annotation_root, results)
            theirs, figures = fastest(lambda: [other(name) for name in dataset.names], repeat)
            yield Timing("vos-benchmark", theirs, theirs / seconds, gap(ours, figures))
        if official_path is None:
            typer.echo("no checkout of the official code was given (--official-path)", err=True)
        else:
            scores = run_official(results, dataset, official_path, repeat=repeat)
            largest = difference(ours, scores).largest
            yield Timing("official", scores.seconds, scores.seconds / seconds, largest)
    passed, _ = fastest(lambda: evaluate(results, dataset), repeat, time.perf_counter)
    yield Timing("persam-video, all cores", passed, passed / seconds, 0.0)


def gap(ours: Evaluation, theirs: list[tuple[str, dict[int, float], dict[int, float]]]) -> float:
    """Return the largest difference from vos-benchmark's means, which are percentages."""
    return max(
        abs(mean - 100 * value) / 100
        for name, region, contour in theirs
        for label in region
        for score in [ours.objects[f"{name}_{label}"]]
        for mean, value in ((region[label], score.j.mean), (contour[label], score.f.mean))
    )


def fastest(
    run: Callable[[], T], repeat: int, clock: Callable[[], float] = time.process_time
) -> tuple[float, T]:
    """Return the minimum time of several runs, and the result."""
    least = math.inf
    for _ in range(repeat):
        start = clock()
        result = run()
        least = min(least, clock() - start)
    return least, result


@contextmanager
def one_core() -> Iterator[None]:
    """Pin this process and its children to one core, where the system supports it."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def draw_sequence(folder: Path) -> tuple[Path, Path]:
    """Draw a walking figure and imperfect masks of it; return the dataset and the results."""
    root, results = folder / "davis", folder / "results"
    annotations = root / "Annotations" / "480p" / "figure"
    for path in (annotations, results / "figure", root / "ImageSets" / "2017"):
        path.mkdir(parents=True)
    (root / "ImageSets" / "2017" / "val.txt").write_text("figure\n")
    rng = np.random.default_rng(0)
    for frame in range(FRAMES):
        truth = np.zeros((480, 854), np.uint8)
        x, swing = 200 + 5 * frame, 40 * math.sin(frame / 4)
        cv2.ellipse(truth, (x, 200), (60, 95), 0, 0, 360, 1, -1)
        cv2.circle(truth, (x + 10, 85), 38, 1, -1)
        for side in (-1, 1):
            foot = round(x + side * swing), 420
            cv2.line(truth, (x, 270), foot, 1, 34)
            cv2.line(truth, (x, 150), (round(x - 2 * side * swing), 260), 1, 22)
        shifted = np.roll(truth, rng.integers(-4, 5, 2), (0, 1))
        change = cv2.erode if frame % 2 else cv2.dilate
        found = change(shifted, np.ones((5, 5), np.uint8))
        for labels, path in ((truth, annotations), (found, results / "figure")):
            image = Image.fromarray(labels.astype(np.uint8))
            # DAVIS has a palette of 256 colours; a smaller one would make Pillow pack the pixels.
            image.putpalette([0, 0, 0, 128, 0, 0] + [255] * 762)
            image.save(path / f"{frame:05d}.png")
    return root, results


if __name__ == "__main__":
    common.run(lambda: typer.run(main))
