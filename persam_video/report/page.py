"""An evaluation as one page of HTML that needs nothing else: no network, no script, no file."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from persam_video.davis.dataset import DavisDataset
from persam_video.davis.evaluation import Evaluation
from persam_video.davis.scores import ObjectScore, SequenceScore
from persam_video.drawing.colours import overlay_colour
from persam_video.errors import DatasetError
from persam_video.report import pictures
from persam_video.report.charts import Chart, curve, frame_means, middle, object_charts
from persam_video.report.lost import LostPeriod, lost_periods
from persam_video.report.pictures import FramePictures, frame_pictures
from persam_video.util.atomic import write_output
from persam_video.util.run_record import RunRecord, read_run

MOST_WITH_PICTURES = 60
"""Sequences that get pictures; where there are more, the worst ones do."""


@dataclass(frozen=True)
class ShownFrame:
    """A frame with pictures.

    Attributes:
        title: which one it is.
        name: of the frame.
        place: on the time axis, 0 to 100.
        j: J, averaged over the objects.
        f: the same for F.
        shown: the pictures.
    """

    title: str
    name: str
    place: float
    j: float
    f: float
    shown: FramePictures


@dataclass(frozen=True)
class ShownObject:
    """An object of a sequence.

    Attributes:
        score: its scores.
        colour: in which it is drawn, as CSS has it.
        chart: its curves.
        lost: when it had no mask.
    """

    score: ObjectScore
    colour: str
    chart: Chart
    lost: tuple[LostPeriod, ...]

    @property
    def missed(self) -> int:
        """Frames without a mask although the annotation shows the object."""
        return sum(period.in_view for period in self.lost)


@dataclass(frozen=True)
class ShownSequence:
    """A sequence.

    Attributes:
        score: its scores.
        objects: its objects, in order of label.
        curve: J&F of each frame, averaged over the objects; see ``Chart``.
        frames: the frames with pictures, the worst one first.
    """

    score: SequenceScore
    objects: tuple[ShownObject, ...]
    curve: tuple[str, ...]
    frames: tuple[ShownFrame, ...]

    @property
    def missed(self) -> int:
        """Frames without a mask of an object although the annotation shows it, in all."""
        return sum(shown.missed for shown in self.objects)


def write_report(
    evaluation: Evaluation,
    dataset: DavisDataset,
    path: Path,
    *,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write an evaluation as one page of HTML.

    Args:
        evaluation: the scores.
        dataset: the set that was scored against; images are shown where it has them.
        path: the file, which appears whole or not at all.
        on_progress: called with the sequences that are drawn and the sequences in all.

    Raises:
        DatasetError: a mask that was scored cannot be read any more.
        OutputError: the file cannot be written.
    """
    scored = [sequence for sequence in evaluation.sequences if sequence.objects]
    worst = sorted(scored, key=lambda sequence: sequence.mean)[:MOST_WITH_PICTURES]
    pictured = {sequence.name for sequence in worst}
    sequences = []
    for done, sequence in enumerate(scored, start=1):
        frames = _chosen(sequence) if sequence.name in pictured else []
        shown = tuple(_shown_frame(evaluation, dataset, sequence, *frame) for frame in frames)
        sequences.append(_shown_sequence(sequence, shown))
        on_progress(done, len(scored))
    page = _environment().get_template("evaluation.html")
    text = page.render(
        evaluation=evaluation,
        dataset=dataset,
        sequences=sequences,
        unscored=[sequence.name for sequence in evaluation.sequences if not sequence.objects],
        means=[score.mean for score in evaluation.objects.values() if not np.isnan(score.mean)],
        frame_count=sum(len(sequence.frames) for sequence in scored),
        pictured=len(pictured),
        run=_run(evaluation.results),
        colours={
            "missed": _css(pictures.MISSED),
            "extra": _css(pictures.EXTRA),
            "swapped": _css(pictures.SWAPPED),
        },
        version=version("persam-video"),
    )
    write_output(path, text.encode())


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("persam_video.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = _figure
    environment.filters["flat"] = _flat
    return environment


def _figure(value: float) -> str:
    """Show a figure with three decimals; one that does not exist as a dash."""
    return "–" if np.isnan(value) else f"{value:.3f}".replace("-", "−")


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """List nested settings by their dotted keys."""
    rows: list[tuple[str, Any]] = []
    for key, value in values.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{key}.")
        else:
            # as YAML has it, not as Python
            text = json.dumps(value) if value is None or isinstance(value, bool) else value
            rows.append((f"{prefix}{key}", text))
    return rows


def _css(colour: tuple[int, int, int]) -> str:
    return "rgb({}, {}, {})".format(*colour)


def _shown_sequence(sequence: SequenceScore, frames: tuple[ShownFrame, ...]) -> ShownSequence:
    objects = tuple(
        ShownObject(score, _css(overlay_colour(score.object_id)), chart, lost_periods(score))
        for score, chart in zip(sequence.objects, object_charts(sequence), strict=True)
    )
    return ShownSequence(sequence, objects, curve(frame_means(sequence)), frames)


def _chosen(sequence: SequenceScore) -> list[tuple[str, int]]:
    """Return the worst and the best frame of a sequence, by what they are and their positions."""
    means = frame_means(sequence)
    if np.isnan(means).all():
        return []
    worst, best = int(np.nanargmin(means)), int(np.nanargmax(means))
    if worst == best:
        return [("Only frame" if len(means) == 1 else "A frame like all others", worst)]
    return [("Worst frame", worst), ("Best frame", best)]


def _shown_frame(
    evaluation: Evaluation,
    dataset: DavisDataset,
    sequence: SequenceScore,
    title: str,
    position: int,
) -> ShownFrame:
    name = sequence.frames[position]
    j, f = (
        float(np.nanmean([values[position] for values in measure]))
        for measure in (
            [score.region for score in sequence.objects],
            [score.contour for score in sequence.objects],
        )
    )
    place = middle(position, len(sequence.frames))
    shown = frame_pictures(dataset, evaluation.results, sequence, name)
    return ShownFrame(title, name, place, j, f, shown)


def _run(results: Path) -> RunRecord | None:
    """Read what made the results, where that is recorded."""
    record = results / "run.json"
    if not record.is_file():
        return None
    try:
        return read_run(record)
    except DatasetError:
        return None  # something else of that name
