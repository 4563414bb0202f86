"""``persam-video compare``: compare two runs."""

from pathlib import Path
from typing import Annotated

import typer

from persam_video.cli.groups import with_option_groups
from persam_video.cli.options import OverwriteOption, input_option, written
from persam_video.cli.printing import Printer
from persam_video.util.table import Table


@with_option_groups
def compare(
    *,
    first: Annotated[
        Path, typer.Argument(help="Folder of a run, or of indexed PNG masks from any program.")
    ],
    second: Annotated[Path, typer.Argument(help="The run to compare it with.")],
    out: Annotated[Path | None, written("HTML file to write, with curves and pictures.")] = None,
    video: Annotated[Path | None, written("Video file to write, with both side by side.")] = None,
    truth: Annotated[
        Path | None,
        input_option(help="Folder of indexed PNGs with the true masks, to score both against."),
    ] = None,
    source: Annotated[str | None, input_option(help="The video, if it has moved.")] = None,
    overwrite: OverwriteOption = False,
    printer: Printer,
) -> None:
    """Compare two runs over the same video.

    Example: persam-video compare result boxes --out compare.html --video compare.mp4
    """
    from persam_video.cli.progress import counting_bar
    from persam_video.report.run_comparison import compare_runs

    with counting_bar("comparing", quiet=printer.quiet) as progress, printer.timed("comparison"):
        done = compare_runs(
            first,
            second,
            out,
            video=video,
            truth=truth,
            source=source,
            overwrite=overwrite,
            on_progress=progress,
        )
    for warning in done.warnings:
        printer.warn(warning)
    printer.document(done)
    header: tuple[str, ...] = ("object", "mean IoU", "lowest", "in frame")
    if truth is not None:
        header += ("J&F first", "J&F second")
    rows = tuple(
        (o.name or str(o.object_id), o.iou, o.least, str(o.frame), o.a, o.b)[: len(header)]
        for o in done.objects
    )
    worst = ", ".join(str(frame.frame) for frame in done.different)
    printer.tables([Table(f"{done.frames} frames in common", header, rows, digits=3)])
    printer.say(f"\nframes that differ most: {worst}" if worst else "\nthe masks are equal")
    for place in (done.page, done.video):
        if place is not None:
            printer.say(f"  {place}")
