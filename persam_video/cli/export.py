"""``persam-video render`` and ``export``: outputs of a run, without tracking again."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persam_video.cli import completion
from persam_video.cli.groups import with_option_groups
from persam_video.cli.options import (
    OverlayOptions,
    OverwriteOption,
    input_option,
    output_option,
    written,
)
from persam_video.cli.printing import Printer

if TYPE_CHECKING:
    from persam_video.run.export import Exported

RunArgument = Annotated[
    Path,
    typer.Argument(help="Folder of a run, or of indexed PNG masks from any program."),
]
OutOption = Annotated[Path, written("File or folder to write.")]


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

    Masks from other programs work too: a mask has the name of its image, or ends in the number of
    its frame in the video, from 0.

    Examples:

    persam-video render result clip.mp4 --style spotlight --out spotlight.mp4

    persam-video render results/dog DAVIS/JPEGImages/480p/dog --out dog.mp4
    """
    from persam_video.run.export import render as write

    with printer.timed("exporting"):
        done = write(run, source, out, options=overlay.sink_options(), overwrite=overwrite)
    _tell(done, printer)


@with_option_groups
def export(
    *,
    run: RunArgument,
    to: Annotated[
        str,
        output_option(
            metavar="NAME",
            help="Output to write: any that track --save takes, such as coco or mot.",
            autocompletion=completion.outputs,
        ),
    ],
    out: OutOption,
    source: Annotated[str | None, input_option(help="The video, if it has moved.")] = None,
    overlay: OverlayOptions,
    overwrite: OverwriteOption = False,
    printer: Printer,
) -> None:
    """Convert a run to COCO, MOT, a table, a cut-out with transparency, …

    Example: persam-video export result --to coco --out coco.json
    """
    from persam_video.errors import ConfigError
    from persam_video.run.export import export as write
    from persam_video.sinks.outputs import parse_outputs

    outputs = parse_outputs([to])
    if len(outputs) > 1:
        raise ConfigError(f"--to {to} names {len(outputs)} outputs: convert to one at a time")
    options = overlay.sink_options()
    with printer.timed("exporting"):
        done = write(run, outputs[0], out, source=source, options=options, overwrite=overwrite)
    _tell(done, printer)


def _tell(done: "Exported", printer: Printer) -> None:
    for warning in done.warnings:
        printer.warn(warning)
    printer.document(done)
    printer.say(f"{done.frames} frames\n  {done.place}")
