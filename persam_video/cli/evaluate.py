"""``persam-video evaluate``: score results against a benchmark."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from persam_video.cli.benchmark import DatasetOption, open_benchmark
from persam_video.cli.groups import with_option_groups
from persam_video.cli.options import (
    DavisOptions,
    OverwriteOption,
    ScoresFile,
    input_option,
    run_option,
    written,
)
from persam_video.cli.printing import Printer
from persam_video.davis.dataset import DavisDataset, Task
from persam_video.vos.benchmarks import Benchmark, candidates, detect

if TYPE_CHECKING:
    from persam_video.davis.official import Comparison
    from persam_video.vos.dataset import VosDataset
    from persam_video.vos.submission import Dataset
    from persam_video.vos.vots import VotsDataset


@dataclass(frozen=True)
class EvaluateDocument:
    """What ``evaluate --json`` prints.

    Attributes:
        evaluation: every figure, as ``--scores`` writes it.
        comparison: with the official code, if requested.
    """

    evaluation: Mapping[str, Any]
    comparison: "Comparison | None"


@with_option_groups
def evaluate(
    *,
    results: Annotated[
        Path,
        typer.Argument(help="Folder with SEQUENCE/FRAME.png, as davis and others leave it."),
    ],
    root: Annotated[
        Path,
        typer.Argument(help="Folder of the benchmark."),
    ],
    benchmark: DatasetOption = None,
    which: DavisOptions,
    task: Annotated[
        Task, input_option(help="Whether the objects were given; DAVIS only.")
    ] = Task.SEMI_SUPERVISED,
    scores: ScoresFile = None,
    csv: Annotated[Path | None, written("Folder for the CSV files of the official code.")] = None,
    report: Annotated[Path | None, written("File for an HTML page of curves and pictures.")] = None,
    overwrite: OverwriteOption = False,
    workers: Annotated[
        int | None, run_option(min=1, help="Threads.", show_default="one per core")
    ] = None,
    official: Annotated[
        bool, run_option("--official", help="Run the official code (davis2017) instead.")
    ] = False,
    official_path: Annotated[
        Path | None, run_option(help="Checkout of davis2017-evaluation; implies --official.")
    ] = None,
    compare: Annotated[
        bool, run_option("--compare", help="Run both and print the largest difference.")
    ] = False,
    printer: Printer,
) -> None:
    """Score masks against DAVIS, as the official code does, or against another benchmark.

    YouTube-VOS, MOSE, LVOS, VOST and VOTS have figures of their own beside J and F.

    Example: persam-video evaluate results DAVIS --year 2017 --split val --report report.html
    """
    # imported late: the numerical libraries take a moment, and --help should not wait for them
    from persam_video.davis.results import recorded_sequences
    from persam_video.util.atomic import check_suffix
    from persam_video.vos.vots import VotsDataset

    only_official = (official or official_path is not None) and not compare
    files = _Files(scores, csv, report, overwrite)
    if only_official and any((scores, csv, report)):
        # these files hold our own figures
        raise typer.BadParameter("--scores, --csv and --report need --compare")
    if scores is not None:
        check_suffix(scores, ".json")
    if report is not None:
        check_suffix(report, ".html", ".htm")
    chosen = _detected(root, which.split) if benchmark is None else benchmark
    dataset: Dataset
    if chosen is Benchmark.DAVIS:
        dataset = which.dataset(root, task)
    else:
        for_davis = replace(which, split=None, sequence=None) != DavisOptions()
        if only_official or compare or for_davis or task is not Task.SEMI_SUPERVISED:
            raise typer.BadParameter(
                "--year, --task, --resolution, --official and --compare are for DAVIS; "
                f"this is {chosen.value}"
            )
        dataset = open_benchmark(root, chosen, which.split, which.sequence)
    if isinstance(dataset, VotsDataset):
        if csv is not None or report is not None:
            raise typer.BadParameter("VOTS has its own measures: leave --csv and --report out")
        _score_vots(results, dataset, files, workers, printer)
        return
    if not which.sequence and (recorded := recorded_sequences(results, dataset)):
        printer.say(
            f"{len(recorded)} of {len(dataset.names)} sequences, as in {results / 'run.json'}: "
            f"{', '.join(recorded)}\n"
        )
        dataset = dataset.subset(recorded)
    if only_official and isinstance(dataset, DavisDataset):
        _score_officially(results, dataset, official_path, printer)
        return
    _score(results, dataset, files, workers, compare, official_path, printer)


def _detected(root: Path, split: str | None) -> Benchmark:
    """Return the benchmark that a folder holds; DAVIS, whose reader has hints, if it is unclear."""
    found = candidates(root, split)
    return detect(root, split) if found else Benchmark.DAVIS


@dataclass(frozen=True)
class _Files:
    """Files to write the scores to, and whether they may replace others."""

    scores: Path | None
    csv: Path | None
    report: Path | None
    overwrite: bool

    def check(self, results: Path, dataset: "Dataset", tables: Sequence[Path] = ()) -> None:
        """Check that they would replace no input, and nothing that is to stay.

        Args:
            results: folder of the results that are scored.
            dataset: the benchmark.
            tables: the files of the folder ``csv``.
        """
        from persam_video.davis.results import evaluation_inputs
        from persam_video.util.atomic import check_free

        places = [*tables, *(path for path in (self.scores, self.report) if path is not None)]
        evaluation_inputs(results, dataset.inputs).check(places)
        check_free(*places, overwrite=self.overwrite)


def _score_officially(
    results: Path, dataset: DavisDataset, code: Path | None, printer: Printer
) -> None:
    from persam_video.davis.official import run_official

    theirs = run_official(results, dataset, code)
    printer.document(theirs)
    printer.tables(theirs.tables())


def _score(
    results: Path,
    dataset: "DavisDataset | VosDataset",
    files: _Files,
    workers: int | None,
    compare: bool,
    official_path: Path | None,
    printer: Printer,
) -> None:
    from persam_video.cli.progress import counting_bar
    from persam_video.davis.evaluation import evaluate as score_davis
    from persam_video.davis.official import difference, run_official
    from persam_video.davis.tables import csv_paths, figures, tables, write_csv, write_json
    from persam_video.report.page import write_report
    from persam_video.vos.dataset import VosDataset
    from persam_video.vos.evaluation import evaluate_vos

    files.check(results, dataset, () if files.csv is None else csv_paths(files.csv, dataset.split))
    with counting_bar("scoring", quiet=printer.quiet) as progress, printer.timed("scoring"):
        if isinstance(dataset, VosDataset):
            evaluation = evaluate_vos(results, dataset, workers=workers, on_progress=progress)
        else:
            evaluation = score_davis(results, dataset, workers=workers, on_progress=progress)
    for warning in evaluation.warnings:
        printer.warn(warning)
    printer.tables(tables(evaluation))
    if files.scores is not None:
        write_json(evaluation, files.scores)
    if files.csv is not None:
        write_csv(evaluation, files.csv)
    if files.report is not None:
        with counting_bar("drawing", quiet=printer.quiet) as progress, printer.timed("drawing"):
            write_report(evaluation, dataset, files.report, on_progress=progress)
    comparison = None
    if compare and isinstance(dataset, DavisDataset):
        comparison = difference(evaluation, run_official(results, dataset, official_path))
        printer.say(f"\n{comparison}")
    printer.document(EvaluateDocument(figures(evaluation), comparison))


def _score_vots(
    results: Path,
    dataset: "VotsDataset",
    files: _Files,
    workers: int | None,
    printer: Printer,
) -> None:
    from persam_video.cli.progress import counting_bar
    from persam_video.util.atomic import write_output
    from persam_video.util.json import to_json
    from persam_video.vos.quality import evaluate_vots

    files.check(results, dataset)
    with counting_bar("scoring", quiet=printer.quiet) as progress, printer.timed("scoring"):
        evaluation = evaluate_vots(results, dataset, workers=workers, on_progress=progress)
    printer.tables(evaluation.tables())
    if files.scores is not None:
        text = json.dumps(to_json(evaluation, lambda number: None), indent=1, allow_nan=False)
        write_output(files.scores, f"{text}\n".encode())
    printer.document(evaluation)
