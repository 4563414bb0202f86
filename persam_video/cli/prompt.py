"""``persam-video prompt``: turn boxes, points and annotation files into a mask."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from persam_video.cli.groups import with_option_groups
from persam_video.cli.options import (
    BoxOption,
    ModelOptions,
    OverwriteOption,
    PointOption,
    SourceArgument,
    input_option,
    object_option,
    written,
)
from persam_video.cli.printing import Printer
from persam_video.errors import OutputError


@dataclass(frozen=True)
class PromptDocument:
    """What ``prompt --json`` prints: the files, the frame's index, and the ids in the mask.

    ``names`` are the names of objects, by id, where they have one.
    """

    mask: Path
    picture: Path | None
    frame: int
    object_ids: Sequence[int]
    names: Mapping[int, str]


@with_option_groups
def prompt(
    *,
    source: SourceArgument,
    out: Annotated[Path, written("File for the mask, an indexed PNG.")],
    frame: Annotated[int, input_option(help="Index of the frame, from 0.")] = 0,
    mask: Annotated[
        str | None,
        object_option(
            metavar="FILE[#NAME]",
            help="Annotation of other objects in the frame: a mask, or a file of labelme, CVAT, "
            "COCO, VOC or YouTube-VOS, with #NAME for one of its frames.",
        ),
    ] = None,
    boxes: BoxOption = None,
    points: PointOption = None,
    picture: Annotated[
        Path | None, written("File for a picture of the objects over the frame, a PNG.")
    ] = None,
    overwrite: OverwriteOption = False,
    model: ModelOptions,
    printer: Printer,
) -> None:
    """Turn boxes and points in a frame, or an annotation file, into a mask.

    Examples:

    persam-video prompt clip.mp4 --box 1:97,52,139,196 --out first.png --picture look.png

    persam-video prompt clip.mp4 --mask annotations.json --out first.png --picture look.png

    persam-video prompt clip.mp4 --frame 40 --point 1:118,70 --point=-1:60,60 --out mask.png
    """
    settings = model.settings()
    # imported late: neither --help nor a wrong argument should wait for torch
    from persam_video.cli.progress import status_line
    from persam_video.masks import MaskFile
    from persam_video.prompting import parse_prompts
    from persam_video.util.atomic import check_free, check_suffix, staged
    from persam_video.util.inputs import ProtectedInputs, same_place
    from persam_video.video.inputs import source_inputs
    from persam_video.video.source import locate

    files = [path for path in (out, picture) if path is not None]
    for path in files:
        check_suffix(path, ".png")
    check_free(*files, overwrite=overwrite)
    if picture is not None and same_place(out, picture):
        raise OutputError(f"{picture} is also the file for the mask: choose another name")
    checkpoint = [] if model.checkpoint is None else [model.checkpoint]
    inputs = source_inputs(source) | ProtectedInputs(tuple(checkpoint))
    if mask is not None:
        inputs |= MaskFile.of(mask).inputs
    inputs.check(files)
    named = parse_prompts(boxes or [], points or [])
    locate(source)
    from persam_video.masks import write_label_png
    from persam_video.run.annotations import write_prompt_picture
    from persam_video.run.prompted import annotate_frame

    with printer.timed("prompting"), status_line("marking the objects", quiet=printer.quiet):
        done = annotate_frame(source, frame, named, mask=mask, settings=settings)
    for warning in done.warnings:
        printer.warn(warning)
    objects = done.annotation
    with ExitStack() as both:  # or neither
        write_label_png(both.enter_context(staged(out)), objects.labels)
        if picture is not None:
            drawn = both.enter_context(staged(picture))
            write_prompt_picture(drawn, done.frame, objects, named)
    for path in files:
        printer.say(str(path))
    printer.document(PromptDocument(out, picture, frame, objects.object_ids, objects.names))
