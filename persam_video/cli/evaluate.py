"""``persam-video evaluate``: score results against DAVIS."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from persam_video.cli.groups import with_option_groups
from persam_video.cli.printing import Printer
from persam_video.cli.progress import shown
from persam_video.davis.dataset import DavisDataset, Task

if TYPE_CHECKING:
    from persam_video.davis.official import Comparison


@dataclass(frozen=True)
class EvaluateDocument:
    """What ``evaluate --json`` prints.

    Attributes:
        evaluation: every figure, as ``--scores`` writes it.
        comparison: with the official code, where that is asked for.
    """

    evaluation: Mapping[str, Any]
    comparison: "Comparison | None"


@with_option_groups
def evaluate(
    *,
    results: Annotated[Path, typer.Argument(help="Folder with SEQUENCE/FRAME.png.")],
    root: Annotated[Path, typer.Argument(help="DAVIS folder with Annotations and ImageSets.")],
    year: Annotated[int, typer.Option(help="2016 (one object a sequence), 2017 or 2019.")] = 2017,
    split: Annotated[str, typer.Option(help="List in ImageSets: train, val, test-dev …")] = "val",
    task: Annotated[Task, typer.Option(help="Whether the objects were given.")] = (
        Task.SEMI_SUPERVISED
    ),
    resolution: Annotated[str, typer.Option(help="Folder of the annotations.")] = "480p",
    sequence: Annotated[
        list[str] | None, typer.Option(help="Score this sequence only; may be repeated.")
    ] = None,
    scores: Annotated[
        Path | None, typer.Option(help="Write every figure in full here, as JSON.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(help="Write the official CSVs in this folder.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write a page of HTML with curves and pictures here.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads; by default one for each core.")
    ] = None,
    official: Annotated[
        bool, typer.Option("--official", help="Run the official code (davis2017) instead.")
    ] = False,
    official_path: Annotated[
        Path | None, typer.Option(help="Checkout of davis2017-evaluation; implies --official.")
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Run both and show the largest difference.")
    ] = False,
    printer: Printer,
) -> None:
    """Score masks against DAVIS: J and F as the official code computes them.

    Example: persam-video evaluate results DAVIS --year 2017 --split val --report report.html
    """
    # imported late: the numerical libraries take a moment, and --help should not
    from persam_video.davis.evaluation import evaluate as score
    from persam_video.davis.official import difference, run_official
    from persam_video.davis.tables import figures, tables, write_csv, write_json
    from persam_video.report.page import write_report

    dataset = DavisDataset(root, year, split, task=task, resolution=resolution, only=sequence or ())
    if (official or official_path is not None) and not compare:
        if scores is not None or csv is not None or report is not None:
            # they hold our own figures
            raise typer.BadParameter("--scores, --csv and --report need --compare")
        theirs = run_official(results, dataset, official_path)
        printer.document(theirs)
        printer.tables(theirs.tables())
        return
    with _bar("Scoring", quiet=printer.quiet) as progress, printer.timed("scoring"):
        evaluation = score(results, dataset, workers=workers, on_progress=progress)
    printer.tables(tables(evaluation))
    if scores is not None:
        write_json(evaluation, scores)
    if csv is not None:
        write_csv(evaluation, csv)
    if report is not None:
        with _bar("Drawing", quiet=printer.quiet) as progress, printer.timed("drawing"):
            write_report(evaluation, dataset, report, on_progress=progress)
    comparison = None
    if compare:
        comparison = difference(evaluation, run_official(results, dataset, official_path))
        printer.say(f"\n{comparison}")
    printer.document(EvaluateDocument(figures(evaluation), comparison))


@contextmanager
def _bar(what: str, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on standard error; nothing when that is not a terminal."""
    errors = Console(stderr=True)
    hidden = quiet or not errors.is_terminal
    progress = Progress(console=errors, transient=True, disable=hidden)
    with shown(progress):
        bar = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(bar, completed=done, total=total)
