"""``persam-video segment``: find the objects of an annotated photo in other photos."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persam_video.cli.groups import with_option_groups
from persam_video.cli.options import (
    ModelOptions,
    OverwriteOption,
    PhotoOption,
    PresetOptions,
    object_option,
    parse_reference,
    written,
)
from persam_video.cli.printing import Printer

if TYPE_CHECKING:
    from persam_video.images import SegmentedImage


@dataclass(frozen=True)
class FoundSegment:
    """An object in an image; the box is (x0, y0, x1, y1) in pixels, x1 and y1 exclusive."""

    label: int
    score: float
    box: tuple[int, int, int, int]
    name: str | None = None


@dataclass(frozen=True)
class SegmentedFile:
    """An image, its label map, and what was found in it."""

    image: Path
    mask: Path
    segments: Sequence[FoundSegment]


@dataclass(frozen=True)
class SegmentDocument:
    """What ``segment --json`` prints.

    Attributes:
        record: the JSON file with all results, including run-length codes.
        images: the finished images.
    """

    record: Path
    images: Sequence[SegmentedFile]


@with_option_groups
def segment(
    *,
    image: Annotated[Path, typer.Argument(help="Annotated photo.")],
    mask: Annotated[
        str,
        typer.Argument(
            metavar="MASK[#NAME]", help="Its annotation, of any kind that track --mask takes."
        ),
    ],
    tests: Annotated[
        list[Path],
        typer.Argument(help="Photos to segment; folders and globs too."),
    ],
    out: Annotated[Path, written("Folder for the results.")],
    photos: PhotoOption = None,
    max_objects: Annotated[
        int,
        object_option(
            help="Above 1: find up to N objects of the annotated category and label them "
            "1, 2, …; otherwise find each annotated object once."
        ),
    ] = 1,
    overlap: Annotated[
        float,
        object_option(
            help="With --max-objects: stop at a mask whose IoU with an earlier one exceeds this."
        ),
    ] = 0.5,
    min_score: Annotated[
        float | None, object_option(help="Drop masks that score below this.")
    ] = None,
    preset: PresetOptions,
    model: ModelOptions,
    overwrite: OverwriteOption = False,
    printer: Printer,
) -> None:
    """Find the objects of an annotated photo in other photos.

    Writes NAME.png (indexed, DAVIS palette) and NAME.overlay.png for every photo, and segments.json
    with boxes, scores and COCO run-length codes.

    Example: persam-video segment cat.jpg cat.png other.jpg another.jpg --out result
    """
    settings = preset.settings(model, for_images=True)
    # imported late: neither --help nor a wrong argument should wait for torch
    from persam_video.images import ReferenceFiles, Search
    from persam_video.masks import MaskFile
    from persam_video.video.source import locate

    marked = MaskFile.of(mask)
    references = [ReferenceFiles(image, marked), *map(parse_reference, photos or [])]
    search = Search(max_objects, overlap, min_score)
    for path in (image, marked.path, *tests):
        locate(path)
    from persam_video.images import ImageOutputs
    from persam_video.images import segment as segment_photos

    images = []

    def report(done: "SegmentedImage") -> None:
        segments = [
            FoundSegment(found.label, found.score, found.box, done.names.get(found.label))
            for found in done.segments
        ]
        told = ", ".join(f"{found.name or found.label} ({found.score:.2f})" for found in segments)
        printer.say(f"{done.path}: {told or 'nothing found'}")
        images.append(SegmentedFile(done.path, done.mask, segments))

    outputs, interrupted = ImageOutputs(out), False
    try:
        with printer.timed("segmenting"):
            segment_photos(
                references,
                tests,
                out,
                settings=settings,
                search=search,
                overwrite=overwrite,
                keep=preset.files,
                on_image=report,
            )
    except KeyboardInterrupt:
        interrupted = True
    printer.document(SegmentDocument(outputs.record, images))
    if interrupted:
        printer.interrupted("finished photos are kept")
    printer.say(f"  {outputs.record}")
