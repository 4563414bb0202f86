"""``persam-video batch``: track a list of videos."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persam_video.cli.groups import with_option_groups
from persam_video.cli.options import (
    ModelOptions,
    OverlayOptions,
    OverwriteOption,
    PresetOptions,
    SaveOption,
    run_option,
    written,
)
from persam_video.cli.printing import Printer

if TYPE_CHECKING:
    from persam_video.batch import JobResult

SOME_FAILED = 1


@dataclass(frozen=True)
class BatchDocument:
    """What ``batch --json`` prints.

    Attributes:
        folder: holds the folders of the jobs.
        jobs: number of jobs in the list.
        results: results of the started jobs, in the order of the list.
    """

    folder: Path
    jobs: int
    results: "Sequence[JobResult]"


@with_option_groups
def batch(
    *,
    jobs: Annotated[
        Path,
        typer.Argument(
            help="YAML list or CSV table of jobs: source, mask, boxes, points, name, settings."
        ),
    ],
    out: Annotated[Path, written("Folder for the results, one folder per job.")],
    preset: PresetOptions,
    model: ModelOptions,
    overwrite: OverwriteOption = False,
    resume: Annotated[
        bool, run_option("--resume", help="Continue an interrupted batch, and retry failed jobs.")
    ] = False,
    save: SaveOption = None,
    overlay: OverlayOptions,
    workers: Annotated[
        int,
        run_option(
            min=1,
            help="Videos tracked in parallel, each in a process of its own that gets its share of "
            "the cores. Resume with the same number.",
        ),
    ] = 1,
    printer: Printer,
) -> None:
    """Track many videos, each into its own folder.

    A failed video does not stop the others; the exit status is then 1.

    Examples:

    persam-video batch jobs.csv --out results --workers 4

    persam-video batch jobs.yaml --out results --config mine.yaml --resume

    persam-video batch jobs.csv --style anonymise --out hidden
    """
    overrides = preset.overrides(model)
    # imported late: neither --help nor a wrong argument should wait for torch
    from persam_video.batch import read_jobs
    from persam_video.cli.progress import JobBars
    from persam_video.sinks import RunStatus
    from persam_video.sinks.outputs import DEFAULT_OUTPUTS, parse_outputs
    from persam_video.util.table import Table

    outputs = parse_outputs(save) if save else DEFAULT_OUTPUTS
    writing = overlay.sink_options()
    listed = read_jobs(jobs)
    from persam_video.batch import run_jobs

    results = {}
    with JobBars(quiet=printer.quiet) as bars:
        for result in run_jobs(
            listed,
            out,
            preset=preset.preset,
            overrides=overrides,
            overwrite=overwrite,
            resume=resume,
            keep=[jobs, *preset.files],
            outputs=outputs,
            writing=writing,
            soft=overlay.soft,
            workers=workers,
            on_progress=bars.progressed,
        ):
            results[result.name] = result
            bars.ended(result.name)
            for warning in result.warnings:
                printer.warn(f"{result.name}: {warning}")
            if result.error is not None:
                typer.echo(f"persam-video: error: {result.name}: {result.error}", err=True)
    ended = [results[job.name] for job in listed if job.name in results]
    counts = Counter(result.status for result in ended)
    printer.document(BatchDocument(out, len(listed), ended))
    title = f"{counts[RunStatus.FINISHED]} of {len(listed)} finished in {out}"
    rows = tuple((result.name, result.frames, result.status.value) for result in ended)
    printer.say(Table(title, ("name", "frames", "status"), rows, digits=0).text())
    if counts[RunStatus.INTERRUPTED]:
        printer.interrupted("finished frames are kept, --resume continues")
    if counts[RunStatus.FAILED]:
        raise typer.Exit(SOME_FAILED)
