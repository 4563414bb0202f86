"""``persam-video davis``: track every sequence of a benchmark."""

from pathlib import Path
from typing import Annotated

import typer

from persam_video.cli.options import (
    CheckpointOption,
    ConfigOption,
    DeviceOption,
    Method,
    MethodOption,
    ModelOption,
    PrecisionOption,
    SetOption,
    resolve_settings,
)
from persam_video.cli.progress import benchmark_bars
from persam_video.davis.dataset import DavisDataset

INTERRUPTED = 130


def davis(
    root: Annotated[
        Path, typer.Argument(help="DAVIS folder with JPEGImages, Annotations and ImageSets.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for SEQUENCE/FRAME.png.")],
    year: Annotated[int, typer.Option(help="2016 (one object a sequence) or 2017.")] = 2017,
    split: Annotated[str, typer.Option(help="List in ImageSets: train, val, test-dev …")] = "val",
    resolution: Annotated[str, typer.Option(help="Folder of images and annotations.")] = "480p",
    sequence: Annotated[
        list[str] | None, typer.Option(help="Track this sequence only; may be repeated.")
    ] = None,
    method: MethodOption = Method.PERSAM,
    model: ModelOption = None,
    checkpoint: CheckpointOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="Sequences at once, a process each; by default one for each core or GPU."
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Start anew in a folder that holds another run.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """Track every sequence of DAVIS, or go on where an interrupted run stopped.

    Only the first annotation of a sequence is read. Finished sequences are verified and kept; run
    the same command again after an interruption of any kind. Leaves SEQUENCE/FRAME.png as
    evaluators expect it, tracks/SEQUENCE.jsonl and run.json in the output folder.

    Example: persam-video davis DAVIS --year 2017 --split val --out results
    """
    settings = resolve_settings(
        method,
        config,
        assignments,
        name=model,
        checkpoint=checkpoint,
        device=device,
        precision=precision,
    )
    dataset = DavisDataset(root, year, split, resolution=resolution, only=sequence or ())
    # imported late: torch takes seconds, and --help should not
    from persam_video.davis.runner import default_workers, run_davis
    from persam_video.sinks import RunStatus

    with benchmark_bars(quiet=quiet) as show:
        record = run_davis(
            dataset,
            out,
            settings=settings,
            workers=workers or default_workers(settings),
            overwrite=overwrite,
            on_progress=show,
        )
    for warning in record.warnings:
        typer.echo(f"persam-video: warning: {warning}", err=True)
    if record.status is RunStatus.INTERRUPTED:
        typer.echo(
            "persam-video: interrupted; run it again, it goes on with the next sequence", err=True
        )
        raise typer.Exit(INTERRUPTED)
    if not quiet:
        typer.echo(f"{len(dataset)} sequences: {out}")
