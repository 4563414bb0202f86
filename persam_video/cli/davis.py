"""``persam-video davis``: track every sequence of a benchmark."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persam_video.cli.groups import with_option_groups
from persam_video.cli.options import (
    DavisOptions,
    ModelOptions,
    OverwriteOption,
    PresetOptions,
    run_option,
    written,
)
from persam_video.cli.printing import Printer

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
    out: Annotated[Path, written("Folder for SEQUENCE/FRAME.png.")],
    which: DavisOptions,
    preset: PresetOptions,
    model: ModelOptions,
    workers: Annotated[
        int | None,
        run_option(
            min=1,
            help="Sequences tracked in parallel, each in a process of its own.",
            show_default="one per core or GPU",
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    printer: Printer,
) -> None:
    """Track every sequence of DAVIS, or continue an interrupted run.

    Reads only the first annotation of a sequence. Finished sequences are verified and kept: after
    any interruption, run the same command again. Writes SEQUENCE/FRAME.png as evaluators expect it,
    tracks/SEQUENCE.jsonl and run.json to the output folder.

    Example: persam-video davis DAVIS --year 2017 --split val --out results
    """
    settings = preset.settings(model)
    dataset = which.dataset(root)
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
        printer.interrupted("run the same command again to continue")
    printer.say(f"{len(dataset)} sequences: {out}")
