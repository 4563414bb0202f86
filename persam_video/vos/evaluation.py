"""Scoring a folder of results against a benchmark whose annotations are label PNGs."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from persam_video.davis.evaluation import Evaluation
from persam_video.davis.evaluation import evaluate as score
from persam_video.errors import DatasetError
from persam_video.vos.benchmarks import Benchmark
from persam_video.vos.dataset import VosDataset
from persam_video.vos.figures import own_figures

_HOW_TO_TELL = {
    Benchmark.YOUTUBE_VOS: "train/meta.json, whose categories are the seen ones, is not beside it",
    Benchmark.LVOS: "unseen_videos.txt of lvos-evaluation is not in its folder",
}


def evaluate_vos(
    results: str | Path,
    dataset: VosDataset,
    *,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Score a folder of results, with the benchmark's own figures.

    The arguments are as for ``persam_video.davis.evaluation.evaluate``.

    Raises:
        DatasetError: something is missing or unusable; the message has one line per fault, and
            nothing was scored.
        ConfigError: ``workers`` is less than 1.
    """
    found = score(results, dataset, workers=workers, on_progress=on_progress)
    _check_objects(found, dataset)
    own = own_figures(found, dataset)
    warnings = found.warnings
    if dataset.benchmark in _HOW_TO_TELL and dataset.split != "train" and "G" not in own:
        reason = _HOW_TO_TELL[dataset.benchmark]
        warnings = (*warnings, f"seen and unseen categories are not distinguished: {reason}")
    return replace(found, own=own, warnings=warnings)


def _check_objects(found: Evaluation, dataset: VosDataset) -> None:
    """Refuse annotations whose objects differ from the listed ones."""
    if dataset.listing is None:
        return
    faults = []
    for sequence in found.sequences:
        wanted = set(dataset.meta[sequence.name].objects)
        shown = {one.object_id for one in sequence.objects if one.shown is None or one.shown.any()}
        for label in sorted(wanted ^ shown) if sequence.frames else ():
            what = "which no annotation shows" if label in wanted else "which is not listed"
            faults.append(f"{dataset.listing}: object {label} of {sequence.name}, {what}")
    if faults:
        raise DatasetError("\n".join(["nothing was scored because of wrong objects:", *faults]))
