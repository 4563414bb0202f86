"""``persam-video track``: from a video and one mask to finished results."""

from pathlib import Path
from typing import Annotated

import typer

from persam_video.cli.options import (
    INTERRUPTED,
    CheckpointOption,
    ConfigOption,
    DecoderChoice,
    DeviceOption,
    Method,
    MethodOption,
    ModelOption,
    PrecisionOption,
    SetOption,
    resolve_settings,
)
from persam_video.cli.progress import progress_bar


def track(
    source: Annotated[
        str, typer.Argument(help="Video file, folder of images, glob, camera index or URL.")
    ],
    mask: Annotated[
        Path, typer.Option("--mask", help="Annotation of the first frame; pixel values are ids.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for the results.")],
    method: MethodOption = Method.PERSAM,
    model: ModelOption = None,
    checkpoint: CheckpointOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    decoder: Annotated[
        DecoderChoice, typer.Option("--decoder", help="What decodes video files.")
    ] = DecoderChoice.PYAV,
    start: Annotated[int, typer.Option("--start", help="First frame, which --mask annotates.")] = 0,
    stop: Annotated[int | None, typer.Option("--stop", help="Frame before which to end.")] = None,
    stride: Annotated[int, typer.Option("--stride", help="Take every so many frames.")] = 1,
    config: ConfigOption = None,
    assignments: SetOption = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier run in the folder.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """Track the objects of one annotated frame through a video.

    Leaves masks/NNNNN.png (indexed, DAVIS palette), overlay.mp4, tracks.jsonl and run.json in the
    output folder.

    Example: persam-video track clip.mp4 --mask first.png --out result
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
    # imported late: torch takes seconds, and --help should not
    from persam_video.run import FrameRange, OutputPaths, track_to_folder
    from persam_video.sinks import RunStatus

    with progress_bar(quiet=quiet) as show:
        record = track_to_folder(
            source,
            mask,
            out,
            settings=settings,
            decoder=decoder.value,
            frames=FrameRange(start, stop, stride),
            overwrite=overwrite,
            on_progress=show,
        )
    for warning in record.warnings:
        typer.echo(f"persam-video: warning: {warning}", err=True)
    if not quiet:
        paths = OutputPaths(out)
        rate = record.frames_done / max(sum(record.timings.values()), 1e-9)
        typer.echo(f"{record.frames_done} frames, {rate:.1f} frames per second")
        for path in (paths.masks, paths.overlay, paths.tracks, paths.record):
            typer.echo(f"  {path}")
    if record.status is RunStatus.INTERRUPTED:
        typer.echo("persam-video: interrupted; the frames done so far are kept", err=True)
        raise typer.Exit(INTERRUPTED)
