"""``persam-video report``: show what a run found, without ground truth."""

from pathlib import Path
from typing import Annotated

from persam_video.cli.export import RunArgument
from persam_video.cli.groups import with_option_groups
from persam_video.cli.options import OverwriteOption, input_option, written
from persam_video.cli.printing import Printer
from persam_video.util.table import Table

_MOST_PRINTED = 8


@with_option_groups
def report(
    *,
    run: RunArgument,
    out: Annotated[
        Path | None,
        written("HTML file to write.", show_default="report.html in the folder of the run"),
    ] = None,
    source: Annotated[str | None, input_option(help="The video, if it has moved.")] = None,
    overwrite: OverwriteOption = False,
    printer: Printer,
) -> None:
    """Show what a run found on one HTML page, with the frames that most need review.

    No ground truth is needed; where there is one, use evaluate or compare.

    Example: persam-video report result --out report.html
    """
    from persam_video.cli.progress import counting_bar
    from persam_video.report.run_report import report_run

    with counting_bar("measuring", quiet=printer.quiet) as progress, printer.timed("report"):
        done = report_run(run, out, source=source, overwrite=overwrite, on_progress=progress)
    for warning in done.warnings:
        printer.warn(warning)
    printer.document(done)
    objects = tuple(
        (o.name or str(o.object_id), str(o.frames), str(o.lost), o.score, o.likeness)
        for o in done.objects
    )
    looks = tuple((str(f.frame), str(f.object_id), f.text) for f in done.findings[:_MOST_PRINTED])
    printer.tables(
        table
        for table in (
            Table("objects", ("object", "frames", "lost", "score", "likeness"), objects, digits=2),
            Table("frames to review", ("frame", "object", "what stands out"), looks),
        )
        if table.rows
    )
    if done.cuts:
        printer.say(f"\nscene cuts at {', '.join(map(str, done.cuts))}")
    printer.say(f"\n{done.place}")
