"""``persam-video track``: from a video and one mask to finished results."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persam_video.cli.groups import with_option_groups
from persam_video.cli.options import (
    INTERRUPTED,
    BoxOption,
    DecoderChoice,
    ModelOptions,
    OverlayOptions,
    PointOption,
    PresetOptions,
    SaveOption,
    parse_reference,
)
from persam_video.cli.printing import Printer
from persam_video.cli.progress import progress_bar
from persam_video.util.table import Table

if TYPE_CHECKING:
    from persam_video.sinks import RunRecord


@dataclass(frozen=True)
class TrackDocument:
    """What ``track --json`` prints.

    Attributes:
        folder: of the results.
        outputs: files and folders by the name of their output.
        run: the record, as it stands in ``run.json``.
    """

    folder: Path
    outputs: Mapping[str, Path]
    run: "RunRecord"


@with_option_groups
def track(
    *,
    source: Annotated[
        str, typer.Argument(help="Video file, folder of images, glob, camera index or URL.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for the results.")],
    mask: Annotated[
        list[str] | None,
        typer.Option(
            "--mask",
            metavar="[FRAME=]FILE",
            help="Annotation of the first frame, or of any: 40=more.png; pixel values are ids. "
            "Repeatable: new ids begin there, known ids are corrected there.",
        ),
    ] = None,
    boxes: BoxOption = None,
    points: PointOption = None,
    photos: Annotated[
        list[str] | None,
        typer.Option(
            "--ref",
            metavar="IMAGE:MASK",
            help="A photo with its mask: its objects are looked for in the video. Repeatable.",
        ),
    ] = None,
    preset: PresetOptions,
    model: ModelOptions,
    decoder: Annotated[
        DecoderChoice, typer.Option("--decoder", help="What decodes video files.")
    ] = DecoderChoice.PYAV,
    start: Annotated[
        int, typer.Option("--start", help="First frame, which a plain --mask annotates.")
    ] = 0,
    stop: Annotated[int | None, typer.Option("--stop", help="Frame before which to end.")] = None,
    stride: Annotated[int, typer.Option("--stride", help="Take every so many frames.")] = 1,
    max_frames: Annotated[
        int | None, typer.Option("--max-frames", help="End after so many frames.")
    ] = None,
    duration: Annotated[
        float | None, typer.Option("--duration", help="End after so many seconds of the source.")
    ] = None,
    backward: Annotated[
        bool,
        typer.Option(
            "--backward", help="Track objects first annotated in the middle back to --start, too."
        ),
    ] = False,
    live: Annotated[
        bool | None,
        typer.Option(
            "--live/--no-live",
            help="Leave out frames that come while tracking is busy, or wait for each; "
            "by default they are left out for cameras and live streams.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier run in the folder.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run in the folder that was cut off.")
    ] = False,
    save: SaveOption = None,
    profile: Annotated[
        bool,
        typer.Option("--profile", help="Print the seconds by stage, and the peak memory."),
    ] = False,
    overlay: OverlayOptions,
    printer: Printer,
) -> None:
    """Track the objects of one annotated frame through a video.

    Leaves masks/NNNNN.png, overlay.mp4, tracks.jsonl and run.json in the output folder.

    With --box or --point also reference.png, which shows what they name.

    Examples:

    persam-video track clip.mp4 --mask first.png --out result

    persam-video track clip.mp4 --box 1:97,52,139,196 --box 2:183,71,221,201 --out result

    persam-video track clip.mp4 --ref cat.jpg:cat.png --out result

    persam-video track clip.mp4 --mask first.png --mask 40=more.png --out result --resume
    """
    settings = preset.settings(model)
    # imported late: torch takes seconds, and --help should not
    from persam_video.prompting import parse_prompts
    from persam_video.run import FrameRange, OutputPaths, track_to_folder
    from persam_video.run.references import parse_masks
    from persam_video.sinks import RunStatus
    from persam_video.sinks.outputs import DEFAULT_OUTPUTS, STORES, parse_outputs, place_of

    outputs = parse_outputs(save) if save else DEFAULT_OUTPUTS
    was_finished = resume and OutputPaths(out).finished
    with progress_bar(quiet=printer.quiet) as show:
        record = track_to_folder(
            source,
            parse_masks(mask or [], start),
            out,
            prompts=parse_prompts(boxes or [], points or []),
            photos=[parse_reference(text) for text in photos or []],
            settings=settings,
            decoder=decoder.value,
            frames=FrameRange(start, stop, stride, max_frames, duration),
            backward=backward,
            live=live,
            overwrite=overwrite,
            resume=resume,
            outputs=outputs,
            options=overlay.sink_options(),
            on_progress=show,
        )
    places = {each.value: place_of(each, out) for each in dict.fromkeys((*STORES, *outputs))}
    printer.document(TrackDocument(out, places, record))
    if was_finished:
        printer.say(f"{out} is finished already: {record.frames_done} frames, nothing to do")
        return
    for warning in record.warnings:
        printer.warn(warning)
    tracked = record.frames_done - sum(record.resumed_at[-1:])
    rate = tracked / max(sum(record.timings.values()), 1e-9)
    printer.say(f"{record.frames_done} frames, {rate:.1f} frames per second")
    for place in (*places.values(), OutputPaths(out).record):
        printer.say(f"  {place}")
    if profile:
        printer.tables([_profile(record.timings, tracked)])
        if record.peak_memory is not None:
            printer.say(f"at most {record.peak_memory / 2**20:,.0f} MiB of memory")
    if record.status is RunStatus.INTERRUPTED:
        typer.echo(
            "persam-video: interrupted; what is done is kept, and --resume goes on", err=True
        )
        raise typer.Exit(INTERRUPTED)


def _profile(timings: Mapping[str, float], frames: int) -> Table:
    """Lay out the seconds by stage, the longest first."""
    whole = max(sum(timings.values()), 1e-9)
    rows = tuple(
        (stage, seconds, 1000 * seconds / max(frames, 1), 100 * seconds / whole)
        for stage, seconds in sorted(timings.items(), key=lambda item: -item[1])
    )
    return Table("where the seconds went", ("stage", "s", "ms per frame", "%"), rows, digits=1)
