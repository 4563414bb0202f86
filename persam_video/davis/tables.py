"""An evaluation as tables for people, CSV in the official form, and JSON in full."""

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from persam_video.davis.evaluation import Evaluation
from persam_video.davis.metrics import Statistics
from persam_video.davis.scores import ObjectScore, SequenceScore
from persam_video.util.atomic import write_output
from persam_video.util.json import to_json
from persam_video.util.table import Row, Table


def global_figures(evaluation: Evaluation) -> dict[str, float]:
    """Return the figures over all objects, by their official names."""
    return {"J&F-Mean": evaluation.mean, **_figures(evaluation.j, evaluation.f)}


def object_figures(score: ObjectScore | SequenceScore) -> dict[str, float]:
    """Return the figures of one object or sequence, by their official names."""
    return _figures(score.j, score.f)


def _figures(j: Statistics, f: Statistics) -> dict[str, float]:
    return {
        f"{measure}-{figure}": value
        for measure, statistics in (("J", j), ("F", f))
        for figure, value in (
            ("Mean", statistics.mean),
            ("Recall", statistics.recall),
            ("Decay", statistics.decay),
        )
    }


def tables(evaluation: Evaluation) -> tuple[Table, ...]:
    """Return the global table, that of the benchmark's own figures, and the table of objects."""
    setting = f"{evaluation.title} {evaluation.split}, {evaluation.task.value}"
    summary = global_figures(evaluation)
    headings = ("Object", *summary)
    rows: list[Row] = [
        (name, score.mean, *object_figures(score).values())
        for name, score in evaluation.objects.items()
    ]
    unscored: list[Row] = [
        (f"{sequence.name} (no frame to score)", *[math.nan] * len(summary))
        for sequence in evaluation.sequences
        if not sequence.frames
    ]
    own = [
        Table(f"Figures of {evaluation.title}", ("Figure", "Mean"), tuple(evaluation.own.items()))
    ]
    return (
        Table(f"Global results for {setting}", tuple(summary), (tuple(summary.values()),)),
        *(own if evaluation.own else ()),
        Table("Results of each object", headings, (*rows, *unscored)),
    )


def csv_paths(folder: Path, split: str) -> tuple[Path, Path]:
    """Return the files that ``write_csv`` writes, named as the official code does."""
    return folder / f"global_results-{split}.csv", folder / f"per-sequence_results-{split}.csv"


def write_csv(evaluation: Evaluation, folder: Path) -> tuple[Path, Path]:
    """Write the two CSVs of the official code, with its columns and its three decimals.

    Args:
        evaluation: the scores.
        folder: where ``global_results-<split>.csv`` and ``per-sequence_results-<split>.csv`` go;
            older ones are replaced.

    Returns:
        The two paths.

    Raises:
        OutputError: the folder cannot be written to.
    """
    summary = global_figures(evaluation)
    objects = [
        [name, f"{score.j.mean:.3f}", f"{score.f.mean:.3f}"]
        for name, score in evaluation.objects.items()
    ]
    global_path, objects_path = csv_paths(folder, evaluation.split)
    write_output(
        global_path,
        (_csv(list(summary), [[f"{value:.3f}" for value in summary.values()]])).encode(),
    )
    write_output(objects_path, _csv(["Sequence", "J-Mean", "F-Mean"], objects).encode())
    return global_path, objects_path


def _csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def write_json(evaluation: Evaluation, path: Path) -> None:
    """Write every figure in full precision, down to each frame.

    ``global`` and ``objects`` hold the figures by their official names; ``sequences`` the frames'
    names and each object's J and F of each frame. A figure that does not exist is ``null``.

    Raises:
        OutputError: the file cannot be written.
    """
    write_output(path, (json.dumps(figures(evaluation), indent=1, allow_nan=False) + "\n").encode())


def figures(evaluation: Evaluation) -> dict[str, Any]:
    """Return what ``write_json`` writes, in the types of JSON."""
    document = {
        "settings": {
            "results": str(evaluation.results),
            **evaluation.identity,
            "task": evaluation.task.value,
        },
        "global": global_figures(evaluation),
        **({"own": dict(evaluation.own)} if evaluation.own else {}),
        "objects": {name: object_figures(score) for name, score in evaluation.objects.items()},
        "sequences": [_sequence(sequence) for sequence in evaluation.sequences],
    }
    shown: dict[str, Any] = to_json(document, lambda number: None)
    return shown


def _sequence(sequence: SequenceScore) -> dict[str, Any]:
    return {
        "name": sequence.name,
        "J&F-Mean": sequence.mean,
        **object_figures(sequence),
        "frames": list(sequence.frames),
        "objects": [
            {
                "id": score.object_id,
                **({} if score.proposal is None else {"proposal": score.proposal}),
                "J&F-Mean": score.mean,
                **object_figures(score),
                "J": score.region.tolist(),
                "F": score.contour.tolist(),
            }
            for score in sequence.objects
        ],
    }
