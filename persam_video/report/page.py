"""An evaluation as one self-contained HTML page, without scripts or external files."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from persam_video.davis.evaluation import Evaluation
from persam_video.davis.protocol import ScoredDataset
from persam_video.davis.scores import ObjectScore, SequenceScore
from persam_video.drawing.colours import overlay_colour
from persam_video.errors import DatasetError
from persam_video.report import pictures
from persam_video.report.charts import Chart, curve, frame_means, middle, object_charts
from persam_video.report.html import css_colour, rendered
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
        title: its title.
        name: of the frame.
        place: its position on the time axis, 0 to 100.
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
        colour: its colour as a CSS value.
        chart: its curves.
        lost: the periods without a mask.
    """

    score: ObjectScore
    colour: str
    chart: Chart
    lost: tuple[LostPeriod, ...]

    @property
    def missed(self) -> int:
        """Number of frames without a mask although the annotation shows the object."""
        return sum(period.in_view for period in self.lost)


@dataclass(frozen=True)
class ShownSequence:
    """A sequence.

    Attributes:
        score: its scores.
        objects: its objects, in order of label.
        curve: J&F of each frame, averaged over the objects; see ``Chart``.
        frames: the frames with pictures, the worst first.
    """

    score: SequenceScore
    objects: tuple[ShownObject, ...]
    curve: tuple[str, ...]
    frames: tuple[ShownFrame, ...]

    @property
    def missed(self) -> int:
        """Total number of frames without a mask of an object that the annotation shows."""
        return sum(shown.missed for shown in self.objects)


def write_report(
    evaluation: Evaluation,
    dataset: ScoredDataset,
    path: Path,
    *,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write an evaluation as one page of HTML.

    Args:
        evaluation: the scores.
        dataset: the set that was scored against; its images are shown if it has any.
        path: the file, which appears whole or not at all.
        on_progress: called with the number of drawn sequences and the total.

    Raises:
        DatasetError: a scored mask can no longer be read.
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
    text = rendered(
        "evaluation.html",
        evaluation=evaluation,
        dataset=dataset,
        sequences=sequences,
        unscored=[sequence.name for sequence in evaluation.sequences if not sequence.objects],
        means=[score.mean for score in evaluation.objects.values() if not np.isnan(score.mean)],
        frame_count=sum(len(sequence.frames) for sequence in scored),
        pictured=len(pictured),
        run=_run(evaluation.results),
        colours={
            "missed": css_colour(pictures.MISSED),
            "extra": css_colour(pictures.EXTRA),
            "swapped": css_colour(pictures.SWAPPED),
        },
    )
    write_output(path, text.encode())


def _shown_sequence(sequence: SequenceScore, frames: tuple[ShownFrame, ...]) -> ShownSequence:
    objects = tuple(
        ShownObject(score, css_colour(overlay_colour(score.object_id)), chart, lost_periods(score))
        for score, chart in zip(sequence.objects, object_charts(sequence), strict=True)
    )
    return ShownSequence(sequence, objects, curve(frame_means(sequence)), frames)


def _chosen(sequence: SequenceScore) -> list[tuple[str, int]]:
    """Return the worst and the best frame of a sequence, with titles and positions."""
    means = frame_means(sequence)
    if np.isnan(means).all():
        return []
    worst, best = int(np.nanargmin(means)), int(np.nanargmax(means))
    if worst == best:
        return [("Only frame" if len(means) == 1 else "A frame like all others", worst)]
    return [("Worst frame", worst), ("Best frame", best)]


def _shown_frame(
    evaluation: Evaluation,
    dataset: ScoredDataset,
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
    """Read the record of the run that made the results, if there is one."""
    record = results / "run.json"
    if not record.is_file():
        return None
    try:
        return read_run(record)
    except DatasetError:
        return None  # something else of that name
