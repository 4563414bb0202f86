"""``persam-video segment``: the objects of one annotated photo, found in other photos."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    SetOption,
    image_preset,
    parse_reference,
    resolve_settings,
)

if TYPE_CHECKING:
    from persam_video.images import SegmentedImage


def segment(
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
    method: MethodOption = Method.PERSAM,
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
    model: ModelOption = None,
    checkpoint: CheckpointOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace earlier results in the folder.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """Find the objects of an annotated photo in other photos, one by one.

    Leaves NAME.png (indexed, DAVIS palette) and NAME.overlay.png for every photo, and segments.json
    with boxes, scores and COCO run-length codes.

    Example: persam-video segment cat.jpg cat.png other.jpg another.jpg --out result
    """
    settings = resolve_settings(
        method,
        config or image_preset(method),
        assignments,
        name=model,
        checkpoint=checkpoint,
        device=device,
        precision=precision,
    )
    # imported late: torch takes seconds, and --help should not
    from persam_video.images import ImageOutputs, ReferenceFiles, Search, segment_to_folder

    try:
        segment_to_folder(
            [ReferenceFiles(image, mask), *map(parse_reference, references or [])],
            tests,
            out,
            settings=settings,
            search=Search(max_objects, overlap, min_score),
            overwrite=overwrite,
            on_image=None if quiet else _report,
        )
    except KeyboardInterrupt:
        typer.echo("persam-video: interrupted; the photos done so far are kept", err=True)
        raise typer.Exit(INTERRUPTED) from None
    if not quiet:
        typer.echo(f"  {ImageOutputs(out).record}")


def _report(done: "SegmentedImage") -> None:
    found = ", ".join(f"{each.label} ({each.score:.2f})" for each in done.segments)
    typer.echo(f"{done.path}: {found or 'nothing found'}")
