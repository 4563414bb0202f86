"""``persam-video render`` and ``export``: outputs of a run, without tracking again."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persam_video.cli.groups import with_option_groups
from persam_video.cli.options import OverlayOptions
from persam_video.cli.printing import Printer

if TYPE_CHECKING:
    from persam_video.sinks.outputs import Output, SinkOptions

RunArgument = Annotated[
    Path, typer.Argument(help="Folder of a run from persam-video track, or of indexed PNG masks.")
]
OutOption = Annotated[Path, typer.Option("--out", help="Where to write.")]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace what is there already.")
]


@with_option_groups
def render(
    *,
    run: RunArgument,
    source: Annotated[str, typer.Argument(help="The video that was tracked.")],
    out: OutOption,
    overlay: OverlayOptions,
    overwrite: OverwriteOption = False,
    printer: Printer,
) -> None:
    """Draw the results of a run over its video.

    Masks of another program do, too: each is named as its image, or ends in the number of its
    frame in a video, from 0.

    Examples:

    persam-video render result clip.mp4 --style spotlight --out spotlight.mp4

    persam-video render results/dog DAVIS/JPEGImages/480p/dog --out dog.mp4
    """
    from persam_video.sinks.outputs import Output

    _export(run, Output.OVERLAY, out, source, overlay.sink_options(), overwrite, printer)


@with_option_groups
def export(
    *,
    run: RunArgument,
    to: Annotated[
        str, typer.Option("--to", help="One of the names that track --save takes, as coco or mot.")
    ],
    out: OutOption,
    source: Annotated[
        str | None, typer.Option("--source", help="The video, if it is no longer where it was.")
    ] = None,
    overlay: OverlayOptions,
    overwrite: OverwriteOption = False,
    printer: Printer,
) -> None:
    """Write another output of a run: COCO, MOT, a table, a cut-out with transparency.

    Example: persam-video export result --to coco --out coco.json
    """
    from persam_video.errors import ConfigError
    from persam_video.sinks.outputs import parse_outputs

    outputs = parse_outputs([to])
    if len(outputs) > 1:
        raise ConfigError(f"--to {to} names {len(outputs)} outputs; give one at a time")
    _export(run, outputs[0], out, source, overlay.sink_options(), overwrite, printer)


def _export(
    run: Path,
    output: "Output",
    out: Path,
    source: str | None,
    options: "SinkOptions",
    overwrite: bool,
    printer: Printer,
) -> None:
    from persam_video.run.export import export as write

    with printer.timed("exporting"):
        done = write(run, output, out, source=source, options=options, overwrite=overwrite)
    for warning in done.warnings:
        printer.warn(warning)
    printer.document(done)
    printer.say(f"{done.frames} frames\n  {done.place}")
