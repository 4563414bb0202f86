"""``persam-video prompt``: boxes and points of one frame, made into a mask."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from persam_video.cli.groups import with_option_groups
from persam_video.cli.options import BoxOption, ModelOptions, PointOption
from persam_video.cli.printing import Printer
from persam_video.errors import OutputError


@dataclass(frozen=True)
class PromptDocument:
    """What ``prompt --json`` prints: the files, the frame's index and the ids in the mask."""

    mask: Path
    picture: Path | None
    frame: int
    object_ids: Sequence[int]


@with_option_groups
def prompt(
    *,
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
    model: ModelOptions,
    printer: Printer,
) -> None:
    """Make a mask of one frame from boxes and points.

    Examples:

    persam-video prompt clip.mp4 --box 1:97,52,139,196 --out first.png --picture look.png

    persam-video prompt clip.mp4 --frame 40 --point 1:118,70 --point=-1:60,60 --out mask.png
    """
    settings = model.settings()
    # imported late: torch takes seconds, and --help should not
    from persam_video.masks import write_label_png
    from persam_video.prompting import parse_prompts
    from persam_video.run.references import annotate_frame, write_reference_picture

    for path in (out, picture):
        if path is not None and path.exists() and not overwrite:
            raise OutputError(f"{path} is there already: pass --overwrite, or another name")
    named = parse_prompts(boxes or [], points or [])
    with printer.timed("prompting"):
        shown, annotation = annotate_frame(source, frame, named, settings=settings)
    write_label_png(out, annotation.labels)
    printer.say(str(out))
    if picture is not None:
        write_reference_picture(picture, shown, annotation)
        printer.say(str(picture))
    printer.document(PromptDocument(out, picture, frame, annotation.object_ids))
