"""``persam-video davis``: track every sequence of a benchmark."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persam_video.cli.groups import with_option_groups
from persam_video.cli.options import (
    INPUT,
    INTERRUPTED,
    OUTPUTS,
    RUN,
    ModelOptions,
    PresetOptions,
    output_path,
)
from persam_video.cli.printing import Printer
from persam_video.davis.dataset import DavisDataset

if TYPE_CHECKING:
    from persam_video.benchmark.record import BenchmarkRecord


@dataclass(frozen=True)
class DavisDocument:
    """What ``davis --json`` prints.

    Attributes:
        folder: of the results.
        run: the record, as in ``run.json``.
    """

    folder: Path
    run: "BenchmarkRecord"


@with_option_groups
def davis(
    *,
    root: Annotated[
        Path,
        typer.Argument(help="DAVIS folder with JPEGImages, Annotations and ImageSets."),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            help="Folder for SEQUENCE/FRAME.png.",
            rich_help_panel=OUTPUTS,
            parser=output_path,
            metavar="PATH",
        ),
    ],
    year: Annotated[
        int,
        typer.Option(help="2016 (one object per sequence) or 2017.", rich_help_panel=INPUT),
    ] = 2017,
    split: Annotated[
        str,
        typer.Option(help="List in ImageSets: train, val, test-dev, …", rich_help_panel=INPUT),
    ] = "val",
    resolution: Annotated[
        str,
        typer.Option(help="Subfolder of JPEGImages and Annotations.", rich_help_panel=INPUT),
    ] = "480p",
    sequence: Annotated[
        list[str] | None,
        typer.Option(help="Track only this sequence. Repeatable.", rich_help_panel=INPUT),
    ] = None,
    preset: PresetOptions,
    model: ModelOptions,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Sequences tracked in parallel, each in a process of its own.",
            show_default="one per core or GPU",
            rich_help_panel=RUN,
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Replace an earlier run in --out.", rich_help_panel=OUTPUTS
        ),
    ] = False,
    printer: Printer,
) -> None:
    """Track every sequence of DAVIS, or continue an interrupted run.

    Reads only the first annotation of a sequence. Finished sequences are verified and kept: after
    any interruption, run the same command again. Writes SEQUENCE/FRAME.png as evaluators expect it,
    tracks/SEQUENCE.jsonl and run.json to the output folder.

    Example: persam-video davis DAVIS --year 2017 --split val --out results
    """
    settings = preset.settings(model)
    dataset = DavisDataset(root, year, split, resolution=resolution, only=sequence or ())
    # imported late: torch takes seconds, and --help should not
    from persam_video.benchmark.runner import default_workers, run_davis
    from persam_video.cli.progress import benchmark_bars
    from persam_video.sinks import RunStatus

    with benchmark_bars(quiet=printer.quiet, lines=not printer.says_nothing) as show:
        record = run_davis(
            dataset,
            out,
            settings=settings,
            workers=workers or default_workers(settings),
            overwrite=overwrite,
            keep=preset.files,
            on_progress=show,
        )
    for warning in record.warnings:
        printer.warn(warning)
    printer.document(DavisDocument(out, record))
    if record.status is RunStatus.INTERRUPTED:
        typer.echo("persam-video: interrupted; run the same command again to continue", err=True)
        raise typer.Exit(INTERRUPTED)
    printer.say(f"{len(dataset)} sequences: {out}")
