"""``persam-video prompt``: boxes and points of one frame, made into a mask."""

from pathlib import Path
from typing import Annotated

import typer

from persam_video.cli.options import (
    BoxOption,
    CheckpointOption,
    DeviceOption,
    Method,
    ModelOption,
    PointOption,
    PrecisionOption,
    resolve_settings,
)
from persam_video.errors import OutputError


def prompt(
    source: Annotated[
        str, typer.Argument(help="Video file, folder of images, glob, camera index or URL.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The mask: an indexed PNG.")],
    frame: Annotated[int, typer.Option("--frame", help="Index of the frame, from 0.")] = 0,
    boxes: BoxOption = None,
    points: PointOption = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="Also draw the objects over the frame: a PNG.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that are there.")
    ] = False,
    model: ModelOption = None,
    checkpoint: CheckpointOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
) -> None:
    """Make a mask of one frame from boxes and points.

    Examples:

    persam-video prompt clip.mp4 --box 1:97,52,139,196 --out first.png --picture look.png

    persam-video prompt clip.mp4 --frame 40 --point 1:118,70 --point=-1:60,60 --out mask.png
    """
    settings = resolve_settings(
        Method.PERSAM,
        None,
        None,
        name=model,
        checkpoint=checkpoint,
        device=device,
        precision=precision,
    )
    # imported late: torch takes seconds, and --help should not
    from persam_video.masks import write_label_png
    from persam_video.prompting import parse_prompts
    from persam_video.run.prompted import annotate_frame, write_reference_picture

    for path in (out, picture):
        if path is not None and path.exists() and not overwrite:
            raise OutputError(f"{path} is there already: pass --overwrite, or another name")
    named = parse_prompts(boxes or [], points or [])
    shown, annotation = annotate_frame(source, frame, named, settings=settings)
    write_label_png(out, annotation.labels)
    typer.echo(str(out))
    if picture is not None:
        write_reference_picture(picture, shown, annotation)
        typer.echo(str(picture))
