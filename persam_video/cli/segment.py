"""``persam-video segment``: the objects of one annotated photo, found in other photos."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persam_video.cli.groups import with_option_groups
from persam_video.cli.options import INTERRUPTED, ModelOptions, PresetOptions, parse_reference
from persam_video.cli.printing import Printer

if TYPE_CHECKING:
    from persam_video.images import SegmentedImage


@dataclass(frozen=True)
class FoundSegment:
    """An object in an image; the box is (x0, y0, x1, y1) in pixels, x1 and y1 exclusive."""

    label: int
    score: float
    box: tuple[int, int, int, int]


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
        record: the file with all of it and the run-length codes.
        images: those that are done.
    """

    record: Path
    images: Sequence[SegmentedFile]


@with_option_groups
def segment(
    *,
    image: Annotated[Path, typer.Argument(help="Photo whose objects are marked.")],
    mask: Annotated[Path, typer.Argument(help="Its annotation; pixel values are ids.")],
    tests: Annotated[
        list[Path], typer.Argument(help="Photos to segment, folders or globs of them.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for the results.")],
    references: Annotated[
        list[str] | None,
        typer.Option("--ref", metavar="IMAGE:MASK", help="One more annotated photo; repeatable."),
    ] = None,
    max_objects: Annotated[
        int,
        typer.Option(
            "--max-objects",
            help="More than 1: look for up to so many objects of the marked category, labelled "
            "1, 2, …; otherwise each marked object is looked for once.",
        ),
    ] = 1,
    overlap: Annotated[
        float,
        typer.Option(
            "--overlap",
            help="With --max-objects: a mask whose IoU with an earlier one is above this ends the "
            "search.",
        ),
    ] = 0.5,
    min_score: Annotated[
        float, typer.Option("--min-score", help="Leave out masks whose score is below this.")
    ] = 0.6,
    preset: PresetOptions,
    model: ModelOptions,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace earlier results in the folder.")
    ] = False,
    printer: Printer,
) -> None:
    """Find the objects of an annotated photo in other photos, one by one.

    Leaves NAME.png (indexed, DAVIS palette) and NAME.overlay.png for every photo, and segments.json
    with boxes, scores and COCO run-length codes.

    Example: persam-video segment cat.jpg cat.png other.jpg another.jpg --out result
    """
    settings = preset.settings(model, for_images=True)
    # imported late: torch takes seconds, and --help should not
    from persam_video.images import ImageOutputs, ReferenceFiles, Search, segment_to_folder

    images = []

    def report(done: "SegmentedImage") -> None:
        found = ", ".join(f"{each.label} ({each.score:.2f})" for each in done.segments)
        printer.say(f"{done.path}: {found or 'nothing found'}")
        segments = [FoundSegment(each.label, each.score, each.box) for each in done.segments]
        images.append(SegmentedFile(done.path, outputs.mask(done.path), segments))

    outputs, interrupted = ImageOutputs(out), False
    try:
        with printer.timed("segmenting"):
            segment_to_folder(
                [ReferenceFiles(image, mask), *map(parse_reference, references or [])],
                tests,
                out,
                settings=settings,
                search=Search(max_objects, overlap, min_score),
                overwrite=overwrite,
                on_image=report,
            )
    except KeyboardInterrupt:
        typer.echo("persam-video: interrupted; the photos done so far are kept", err=True)
        interrupted = True
    printer.document(SegmentDocument(outputs.record, images))
    if interrupted:
        raise typer.Exit(INTERRUPTED)
    printer.say(f"  {outputs.record}")
