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
    RayCliOptions,
    SaveOption,
    output_option,
    output_path,
    run_option,
)
from persam_video.cli.printing import Printer

if TYPE_CHECKING:
    from persam_video.batch import JobResult
    from persam_video.util.table import Table

SOME_FAILED = 1


@dataclass(frozen=True)
class BatchDocument:
    """What ``batch --json`` prints.

    Attributes:
        folder: holds the folders of the jobs.
        jobs: number of jobs in the list.
        results: results of the started jobs, in the order of the list.
    """

    folder: str
    jobs: int
    results: "Sequence[JobResult]"


@with_option_groups
def batch(
    *,
    jobs: Annotated[
        str,
        typer.Argument(
            help="YAML list or CSV table of jobs: source, mask, boxes, points, name, settings."
        ),
    ],
    out: Annotated[
        str, output_option(metavar="PATH", help="Folder for the results, one folder per job.")
    ],
    preset: PresetOptions,
    model: ModelOptions,
    overwrite: OverwriteOption = False,
    resume: Annotated[
        bool, run_option("--resume", help="Continue an interrupted batch, and retry failed jobs.")
    ] = False,
    save: SaveOption = None,
    overlay: OverlayOptions,
    workers: Annotated[
        int | None,
        run_option(
            min=1,
            help="Videos tracked in parallel, each in a process of its own that gets its share of "
            "the cores. Resume with the same number.",
            show_default="1; with --ray, as many as there is room for",
        ),
    ] = None,
    ray: RayCliOptions,
    printer: Printer,
) -> None:
    """Track many videos, each into its own folder.

    A failed video does not stop the others; the exit status is then 1.

    Examples:

    persam-video batch jobs.csv --out results --workers 4

    persam-video batch jobs.yaml --out results --config mine.yaml --resume

    persam-video batch jobs.csv --style anonymise --out hidden

    persam-video batch s3://bucket/jobs.csv --out s3://bucket/results --ray auto
    """
    overrides = preset.overrides(model)
    fleet = ray.options(workers)
    # imported late: neither --help nor a wrong argument should wait for torch
    from persam_video.batch import read_jobs
    from persam_video.cli.progress import FleetBar, JobBars
    from persam_video.fleet.storage import is_remote
    from persam_video.sinks import RunStatus
    from persam_video.sinks.outputs import DEFAULT_OUTPUTS, parse_outputs
    from persam_video.util.urls import local_path

    ray.check_place(out)
    if not is_remote(out):
        output_path(out)
    outputs = parse_outputs(save) if save else DEFAULT_OUTPUTS
    writing = overlay.sink_options()
    listed = read_jobs(jobs)
    from persam_video.batch import FleetOptions, run_jobs

    results = {}
    bars = JobBars(quiet=printer.quiet) if fleet is None else FleetBar(quiet=printer.quiet)
    with bars:
        for result in run_jobs(
            listed,
            out,
            preset=preset.preset,
            overrides=overrides,
            overwrite=overwrite,
            resume=resume,
            keep=[*([] if is_remote(jobs) else [Path(local_path(jobs))]), *preset.files],
            outputs=outputs,
            writing=writing,
            soft=overlay.soft,
            workers=workers or 1,
            on_progress=bars.progressed,
            fleet=None if fleet is None else FleetOptions(fleet, bars.overview, printer.warn),
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
    printer.say(_table(title, ended, fleet=fleet is not None).text())
    if counts[RunStatus.INTERRUPTED]:
        kept = "frames" if fleet is None else "videos"
        printer.interrupted(f"finished {kept} are kept, --resume continues")
    if counts[RunStatus.FAILED]:
        raise typer.Exit(SOME_FAILED)


def _table(title: str, results: "Sequence[JobResult]", *, fleet: bool) -> "Table":
    """Return a row for each job; of a fleet with the rate, lost periods and the worker, too."""
    from persam_video.util.table import Table

    header: tuple[str, ...] = ("name", "frames", "status")
    if not fleet:
        rows = tuple((result.name, result.frames, result.status.value) for result in results)
        return Table(title, header, rows, digits=0)
    header += ("fps", "lost", "worker")
    return Table(
        title,
        header,
        tuple(
            (
                result.name,
                str(result.frames),
                result.status.value,
                f"{result.frames / result.seconds:.1f}" if result.seconds else "-",
                str(result.lost or 0),
                result.worker or "-",
            )
            for result in results
        ),
    )
