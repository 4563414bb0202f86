"""The official davis2017-evaluation code, run beside our own.

It is not on PyPI; a checkout of https://github.com/davisvideochallenge/davis2017-evaluation has to
be importable or given. It runs in a process of its own, because it ends the process on a fault and
may take tens of gigabytes.
"""

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from persam_video.davis.dataset import DavisDataset, Task
from persam_video.davis.evaluation import Evaluation
from persam_video.davis.official_runner import OfficialJob
from persam_video.davis.results import find_masks
from persam_video.davis.tables import global_figures, object_figures
from persam_video.errors import DatasetError
from persam_video.util.table import Row, Table


@dataclass(frozen=True)
class OfficialScores:
    """What the official code returned.

    Attributes:
        summary: the figures over all objects, by their official names.
        objects: the figures of each object, by its official name.
        seconds: processor time of its evaluation without start-up, the least of all runs.
    """

    summary: dict[str, float]
    objects: dict[str, dict[str, float]]
    seconds: float

    def tables(self) -> tuple[Table, Table]:
        """Return the global table and the table of objects."""
        headings = ("Object", *next(iter(self.objects.values()), {}))
        rows: tuple[Row, ...] = tuple(
            (name, *figures.values()) for name, figures in self.objects.items()
        )
        return (
            Table(
                "Global results of the official code",
                tuple(self.summary),
                (tuple(self.summary.values()),),
            ),
            Table("Results of each object", headings, rows),
        )


@dataclass(frozen=True)
class Comparison:
    """The difference between our figures and the official ones.

    Attributes:
        largest: the largest absolute difference.
        figure: where it is, such as ``dog_1 J-Mean``.
        unmatched: objects that only one of the two has.
    """

    largest: float
    figure: str
    unmatched: tuple[str, ...]

    def __str__(self) -> str:
        text = f"Largest difference from the official code: {self.largest:.3g} ({self.figure})"
        if self.unmatched:
            text += f"\nScored by only one of the two: {', '.join(self.unmatched)}"
        return text


def run_official(
    results: str | Path,
    dataset: DavisDataset,
    checkout: str | Path | None = None,
    *,
    repeat: int = 1,
) -> OfficialScores:
    """Score a folder of results with the official code.

    Args:
        results: folder of the results, in any layout that ``davis.results`` knows.
        dataset: the set to score against.
        checkout: folder that holds the package ``davis2017``; by default it must be importable.
        repeat: how often to run it, for timing.

    Raises:
        DatasetError: the code is not there, does not support the request, or found a fault.
    """
    if dataset.sparse or dataset.resolution != "480p":
        raise DatasetError("the official code scores DAVIS at 480p only; drop --official")
    if checkout is not None and not Path(checkout, "davis2017").is_dir():
        raise DatasetError(f"{checkout}: holds no package davis2017; give its checkout")
    with tempfile.TemporaryDirectory() as folder:
        job = OfficialJob(
            results=str(plain_layout(Path(results), dataset, Path(folder))),
            root=str(dataset.root),
            year=dataset.year,
            split=dataset.split,
            task=dataset.task.value,
            sequences=list(dataset.names),
            output=str(Path(folder, "scores.json")),
            repeat=repeat,
        )
        paths = [str(Path(checkout).resolve())] if checkout is not None else []
        process = subprocess.run(
            [sys.executable, "-m", "persam_video.davis.official_runner", json.dumps(asdict(job))],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([*paths, *filter(None, sys.path)])},
            capture_output=True,
            text=True,
            check=False,
        )
        # It ends with status 0 on a fault; only the scores tell that it came to its end.
        if not Path(job.output).is_file():
            raise DatasetError(f"the official code failed: {_complaint(process)}")
        return OfficialScores(**json.loads(Path(job.output).read_text(encoding="utf-8")))


def plain_layout(results: Path, dataset: DavisDataset, scratch: Path) -> Path:
    """Return a folder with ``<sequence>/<frame>.png``, the only layout that the code knows."""
    places = {name: find_masks(results, name, dataset) for name in dataset.names}
    if all(place == results / name for name, place in places.items()):
        return results
    linked = scratch / "results"
    linked.mkdir()
    for name, place in places.items():
        try:
            (linked / name).symlink_to(place.absolute(), target_is_directory=True)
        except OSError as error:  # on Windows, links need a permission
            raise DatasetError(
                f"{results}: the official code needs SEQUENCE/FRAME.png, and no link can be made to"
                f" {place} ({error.strerror}); move the masks"
            ) from error
    return linked


def _complaint(process: "subprocess.CompletedProcess[str]") -> str:
    """Return what the official code said last, on one line."""
    said = [line.strip() for line in process.stdout.splitlines() if line.strip()]
    if process.returncode or not said:
        said = process.stderr.strip().splitlines()[-1:]
    return " ".join(said) or f"it ended with status {process.returncode}"


def difference(evaluation: Evaluation, official: OfficialScores) -> Comparison:
    """Compare all figures that both have."""
    ours = {
        name: object_figures(evaluation.objects[key])
        for name, key in _official_names(evaluation)
        if key in evaluation.objects
    }
    gaps = {
        f"{name} {figure}": _gap(ours[name][figure], value)
        for name, figures in official.objects.items()
        if name in ours
        for figure, value in figures.items()
    }
    summary = global_figures(evaluation)
    gaps |= {figure: _gap(summary[figure], value) for figure, value in official.summary.items()}
    figure = max(gaps, key=gaps.__getitem__)
    return Comparison(gaps[figure], figure, tuple(sorted(ours.keys() ^ official.objects.keys())))


def _official_names(evaluation: Evaluation) -> Iterator[tuple[str, str]]:
    """Pair the official code's name of each object with ours.

    In the unsupervised task it numbers the objects by the order of their proposals.
    """
    for sequence in evaluation.sequences:
        names = [f"{sequence.name}_{score.object_id}" for score in sequence.objects]
        if evaluation.task is Task.UNSUPERVISED:
            order = sorted(sequence.objects, key=lambda score: score.proposal or 0)
            yield from zip(
                (f"{sequence.name}_{position}" for position in range(1, len(order) + 1)),
                (f"{sequence.name}_{score.object_id}" for score in order),
                strict=True,
            )
        else:
            yield from zip(names, names, strict=True)


def _gap(ours: float, theirs: float) -> float:
    if math.isnan(ours) or math.isnan(theirs):
        return 0.0 if math.isnan(ours) and math.isnan(theirs) else math.inf
    return abs(ours - theirs)
