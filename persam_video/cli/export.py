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


StartOption = Annotated[
    int | None,
    input_option(
        help="First frame to write, by its index in the source.", show_default="the run's first"
    ),
]
StopOption = Annotated[
    int | None, input_option(help="Stop before this frame.", show_default="the run's end")
]


@with_option_groups
def render(
    *,
    run: RunArgument,
    source: Annotated[str, typer.Argument(help="The video that was tracked.")],
    start: StartOption = None,
    stop: StopOption = None,
    frame: Annotated[
        int | None,
        input_option(help="Draw only this frame, as a PNG, to see how the video will look."),
    ] = None,
    out: OutOption,
    overlay: OverlayOptions,
    overwrite: OverwriteOption = False,
    printer: Printer,
) -> None:
    """Draw the results of a run over its video, in any style.

    Masks from other programs work too: a mask has the name of its image, or ends in the number of
    its frame in the video, from 0.

    Examples:

    persam-video render result clip.mp4 --style spotlight --out spotlight.mp4

    persam-video render result clip.mp4 --style anonymise=blur --objects 1,3 --out hidden.mp4

    persam-video render result clip.mp4 --style background=beach.jpg,follow=9:16 --out story.mp4

    persam-video render result clip.mp4 --style fill,trail --names 1=dog --frame 40 --out look.png

    persam-video render results/dog DAVIS/JPEGImages/480p/dog --out dog.mp4
    """
    from persam_video.errors import ConfigError
    from persam_video.run.export import render as write
    from persam_video.run.export import render_frame

    options = overlay.sink_options(tracking=False)
    if frame is not None and not (start is None and stop is None):
        raise ConfigError("--frame draws one frame, without --start and --stop: leave them out")
    with printer.timed("exporting"):
        if frame is None:
            done = write(
                run,
                source,
                out,
                start=start or 0,
                stop=stop,
                options=options,
                overwrite=overwrite,
            )
        else:
            done = render_frame(run, source, out, frame, options=options, overwrite=overwrite)
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
    start: StartOption = None,
    stop: StopOption = None,
    overlay: OverlayOptions,
    overwrite: OverwriteOption = False,
    printer: Printer,
) -> None:
    """Convert a run to COCO, MOT, a table, a cut-out with transparency, …

    Examples:

    persam-video export result --to coco --out coco.json

    persam-video export result --to cutout-webm --feather 3 --start 100 --stop 200 --out part.webm
    """
    from persam_video.errors import ConfigError
    from persam_video.run.export import export as write
    from persam_video.sinks.outputs import parse_outputs

    outputs = parse_outputs([to])
    if len(outputs) > 1:
        raise ConfigError(f"--to {to} names {len(outputs)} outputs: convert to one at a time")
    options = overlay.sink_options(tracking=False)
    with printer.timed("exporting"):
        done = write(
            run,
            outputs[0],
            out,
            source=source,
            start=start or 0,
            stop=stop,
            options=options,
            overwrite=overwrite,
        )
    _tell(done, printer)


def _tell(done: "Exported", printer: Printer) -> None:
    for warning in done.warnings:
        printer.warn(warning)
    printer.document(done)
    printer.say(f"{done.frames} frame{'' if done.frames == 1 else 's'}\n  {done.place}")
    if done.record is not None:
        printer.say(f"  {done.record}")
