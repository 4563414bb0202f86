"""``persam-video evaluate``: score results against DAVIS."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from persam_video.cli.groups import with_option_groups
from persam_video.cli.options import (
    DavisOptions,
    ScoresFile,
    input_option,
    run_option,
    written,
)
from persam_video.cli.printing import Printer
from persam_video.davis.dataset import Task

if TYPE_CHECKING:
    from persam_video.davis.official import Comparison


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
        typer.Argument(help="Folder with SEQUENCE/FRAME.png, as davis and batch leave it."),
    ],
    root: Annotated[
        Path,
        typer.Argument(help="DAVIS folder with Annotations and ImageSets."),
    ],
    which: DavisOptions,
    task: Annotated[
        Task, input_option(help="Whether the objects were given.")
    ] = Task.SEMI_SUPERVISED,
    scores: ScoresFile = None,
    csv: Annotated[Path | None, written("Folder for the CSV files of the official code.")] = None,
    report: Annotated[Path | None, written("File for an HTML page of curves and pictures.")] = None,
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
    """Score masks against DAVIS, with J and F as in the official code.

    Example: persam-video evaluate results DAVIS --year 2017 --split val --report report.html
    """
    # imported late: the numerical libraries take a moment, and --help should not
    from persam_video.cli.progress import counting_bar
    from persam_video.davis.evaluation import evaluate as score
    from persam_video.davis.official import difference, run_official
    from persam_video.davis.results import evaluation_inputs, recorded_sequences
    from persam_video.davis.tables import csv_paths, figures, tables, write_csv, write_json
    from persam_video.report.page import write_report
    from persam_video.util.atomic import check_suffix

    dataset = which.dataset(root, task)
    if not which.sequence and (recorded := recorded_sequences(results, dataset)):
        printer.say(
            f"{len(recorded)} of {len(dataset)} sequences, as in {results / 'run.json'}: "
            f"{', '.join(recorded)}\n"
        )
        dataset = dataset.subset(recorded)
    if (official or official_path is not None) and not compare:
        if scores is not None or csv is not None or report is not None:
            # they hold our own figures
            raise typer.BadParameter("--scores, --csv and --report need --compare")
        theirs = run_official(results, dataset, official_path)
        printer.document(theirs)
        printer.tables(theirs.tables())
        return
    if scores is not None:
        check_suffix(scores, ".json")
    if report is not None:
        check_suffix(report, ".html", ".htm")
    evaluation_inputs(results, dataset).check(
        [path for path in (scores, report) if path is not None]
        + ([] if csv is None else list(csv_paths(csv, dataset.split)))
    )
    with counting_bar("scoring", quiet=printer.quiet) as progress, printer.timed("scoring"):
        evaluation = score(results, dataset, workers=workers, on_progress=progress)
    for warning in evaluation.warnings:
        printer.warn(warning)
    printer.tables(tables(evaluation))
    if scores is not None:
        write_json(evaluation, scores)
    if csv is not None:
        write_csv(evaluation, csv)
    if report is not None:
        with counting_bar("drawing", quiet=printer.quiet) as progress, printer.timed("drawing"):
            write_report(evaluation, dataset, report, on_progress=progress)
    comparison = None
    if compare:
        comparison = difference(evaluation, run_official(results, dataset, official_path))
        printer.say(f"\n{comparison}")
    printer.document(EvaluateDocument(figures(evaluation), comparison))
