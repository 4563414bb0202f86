"""``persam-video evaluate``: score results against DAVIS."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from persam_video.cli.progress import shown
from persam_video.davis.dataset import DavisDataset, Task


def evaluate(
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
    json: Annotated[Path | None, typer.Option(help="Write every figure in full here.")] = None,
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
) -> None:
    """Score masks against DAVIS: J and F as the official code computes them.

    Example: persam-video evaluate results DAVIS --year 2017 --split val --report report.html
    """
    # imported late: the numerical libraries take a moment, and --help should not
    from persam_video.davis.evaluation import evaluate as score
    from persam_video.davis.official import difference, run_official
    from persam_video.davis.tables import show, tables, write_csv, write_json
    from persam_video.report.page import write_report

    dataset = DavisDataset(root, year, split, task=task, resolution=resolution, only=sequence or ())
    console = Console()
    if (official or official_path is not None) and not compare:
        if json is not None or csv is not None or report is not None:
            # they hold our own figures
            raise typer.BadParameter("--json, --csv and --report need --compare")
        show(run_official(results, dataset, official_path).tables(), console)
        return
    with _bar("Scoring") as progress:
        evaluation = score(results, dataset, workers=workers, on_progress=progress)
    show(tables(evaluation), console)
    if json is not None:
        write_json(evaluation, json)
    if csv is not None:
        write_csv(evaluation, csv)
    if report is not None:
        with _bar("Drawing") as progress:
            write_report(evaluation, dataset, report, on_progress=progress)
    if compare:
        official_scores = run_official(results, dataset, official_path)
        typer.echo(f"\n{difference(evaluation, official_scores)}")


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on standard error; nothing when that is not a terminal."""
    errors = Console(stderr=True)
    progress = Progress(console=errors, transient=True, disable=not errors.is_terminal)
    with shown(progress):
        bar = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(bar, completed=done, total=total)
