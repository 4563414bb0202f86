"""``persam-video batch``: many videos by one list."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from persam_video.cli.options import (
    INTERRUPTED,
    CheckpointOption,
    ConfigOption,
    DeviceOption,
    Method,
    MethodOption,
    ModelOption,
    PrecisionOption,
    SaveOption,
    SetOption,
    preset_of,
    setting_overrides,
)
from persam_video.cli.progress import JobBars

SOME_FAILED = 1


def batch(
    jobs: Annotated[
        Path,
        typer.Argument(
            help="YAML list or CSV table of jobs: source, mask, boxes, points, name, settings."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for the folders of results.")],
    method: MethodOption = Method.PERSAM,
    model: ModelOption = None,
    checkpoint: CheckpointOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace earlier runs in the folders.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a batch that was cut off or failed.")
    ] = False,
    save: SaveOption = None,
    workers: Annotated[
        int,
        typer.Option(
            min=1,
            help="Videos at once, a process each, sharing the cores; resume with the same number.",
        ),
    ] = 1,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """Track many videos, each into a folder of its own below the output folder.

    A video that fails does not stop the others; the exit status is then 1.

    Examples:

    persam-video batch jobs.csv --out results --workers 4

    persam-video batch jobs.yaml --out results --config mine.yaml --resume
    """
    overrides = setting_overrides(
        assignments, name=model, checkpoint=checkpoint, device=device, precision=precision
    )
    # imported late: torch takes seconds, and --help should not
    from persam_video.batch import read_jobs, run_jobs
    from persam_video.report.table import Table
    from persam_video.sinks import RunStatus
    from persam_video.sinks.outputs import DEFAULT_OUTPUTS, parse_outputs

    listed = read_jobs(jobs)
    results = {}
    with JobBars(quiet=quiet) as bars:
        for result in run_jobs(
            listed,
            out,
            preset=preset_of(method, config),
            overrides=overrides,
            overwrite=overwrite,
            resume=resume,
            outputs=parse_outputs(save) if save else DEFAULT_OUTPUTS,
            workers=workers,
            on_progress=bars.progressed,
        ):
            results[result.name] = result
            bars.ended(result.name)
            for warning in result.warnings:
                typer.echo(f"persam-video: warning: {result.name}: {warning}", err=True)
            if result.error is not None:
                typer.echo(f"persam-video: error: {result.name}: {result.error}", err=True)
    counts = Counter(result.status for result in results.values())
    if not quiet:
        title = f"{counts[RunStatus.FINISHED]} of {len(listed)} finished in {out}"
        ended = [results[job.name] for job in listed if job.name in results]
        rows = tuple((each.name, each.frames, each.status.value) for each in ended)
        typer.echo(Table(title, ("name", "frames", "status"), rows, digits=0).text())
    if counts[RunStatus.INTERRUPTED]:
        typer.echo(
            "persam-video: interrupted; what is done is kept, and --resume goes on", err=True
        )
        raise typer.Exit(INTERRUPTED)
    if counts[RunStatus.FAILED]:
        raise typer.Exit(SOME_FAILED)
