"""``persam-video track``: track the objects of an annotated frame."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persam_video.cli.browser import BrowserOption, open_soon
from persam_video.cli.groups import with_option_groups
from persam_video.cli.options import (
    BoxOption,
    DecoderChoice,
    ModelOptions,
    OverlayOptions,
    OverwriteOption,
    PhotoOption,
    PointOption,
    PresetOptions,
    SaveOption,
    SourceArgument,
    input_option,
    object_option,
    parse_reference,
    run_option,
    written,
)
from persam_video.cli.printing import Printer
from persam_video.util.table import Table

if TYPE_CHECKING:
    from persam_video.sinks import RunRecord


@dataclass(frozen=True)
class TrackDocument:
    """What ``track --json`` prints.

    Attributes:
        folder: of the results.
        outputs: files and folders by the name of their output.
        run: the record, as in ``run.json``.
    """

    folder: Path
    outputs: Mapping[str, Path]
    run: "RunRecord"


@with_option_groups
def track(
    *,
    source: SourceArgument,
    decoder: Annotated[
        DecoderChoice, input_option(help="Library that decodes video files.")
    ] = DecoderChoice.PYAV,
    start: Annotated[
        int, input_option(help="First frame to track, from 0; --mask FILE annotates it.")
    ] = 0,
    stop: Annotated[int | None, input_option(help="Stop before this frame.")] = None,
    stride: Annotated[int, input_option(help="Process every Nth frame.")] = 1,
    max_frames: Annotated[int | None, input_option(help="Stop after N frames.")] = None,
    duration: Annotated[
        float | None, input_option(help="Stop after this many seconds of video.")
    ] = None,
    live: Annotated[
        bool | None,
        input_option(
            "--live/--no-live",
            help="Drop frames that arrive while the tracker is busy, or wait for every frame.",
            show_default="--live for cameras and live streams",
        ),
    ] = None,
    mask: Annotated[
        list[str] | None,
        object_option(
            metavar="[FRAME=]FILE[#NAME]",
            help="Annotation of the first frame, or of frame N with N=FILE: a mask whose pixel "
            "values are object ids, or a file of labelme, CVAT, COCO, VOC or YouTube-VOS, with "
            "#NAME for one of its frames. A later annotation adds new objects and corrects known "
            "ones. Repeatable.",
        ),
    ] = None,
    boxes: BoxOption = None,
    points: PointOption = None,
    photos: PhotoOption = None,
    backward: Annotated[
        bool,
        object_option(
            "--backward",
            help="Also track objects that are annotated in a later frame back to --start.",
        ),
    ] = False,
    out: Annotated[Path, written("Folder for the results.")],
    save: SaveOption = None,
    overlay: OverlayOptions,
    overwrite: OverwriteOption = False,
    min_score: Annotated[
        float,
        object_option(help="With --ref: match score, 0 to 1, from which an object counts as seen."),
    ] = 0.72,
    preset: PresetOptions,
    model: ModelOptions,
    resume: Annotated[
        bool, run_option("--resume", help="Continue an interrupted run in --out.")
    ] = False,
    preview: Annotated[
        bool,
        run_option(
            "--preview",
            help="Show the frames while they are tracked, on a page that only this machine serves.",
        ),
    ] = False,
    browser: BrowserOption = True,
    profile: Annotated[
        bool, run_option("--profile", help="Print the time per stage and the peak memory.")
    ] = False,
    printer: Printer,
) -> None:
    """Track the objects of an annotated frame through a video.

    Writes masks/NNNNN.png, overlay.mp4, tracks.jsonl and run.json to the output folder.

    With --box or --point also reference.png, which shows the masks made from them.

    Examples:

    persam-video track clip.mp4 --mask first.png --out result

    persam-video track clip.mp4 --mask annotations.xml --out result

    persam-video track clip.mp4 --box 1:97,52,139,196 --box 2:183,71,221,201 --out result

    persam-video track clip.mp4 --ref cat.jpg:cat.json --out result

    persam-video track clip.mp4 --mask first.png --style anonymise --out hidden

    persam-video track 0 --box 1:97,52,139,196 --preview --out result

    persam-video track clip.mp4 --mask first.png --mask 40=more.png --out result --resume
    """
    settings = preset.settings(model)
    # imported late: neither --help nor a wrong argument should wait for torch
    from persam_video.cli.progress import progress_bar
    from persam_video.prompting import parse_prompts
    from persam_video.run import FolderOptions, FrameRange, OutputPaths
    from persam_video.run.annotations import parse_masks
    from persam_video.sinks import RunStatus
    from persam_video.sinks.outputs import DEFAULT_OUTPUTS, STORES, parse_outputs, place_of
    from persam_video.util.garbage import lasting_objects
    from persam_video.util.live_page import LivePage
    from persam_video.video.source import locate

    outputs = parse_outputs(save) if save else DEFAULT_OUTPUTS
    was_finished = resume and OutputPaths(out).finished
    options = FolderOptions(
        prompts=parse_prompts(boxes or [], points or []),
        photos=[parse_reference(text) for text in photos or []],
        min_score=min_score,
        settings=settings,
        frames=FrameRange(start, stop, stride, max_frames, duration),
        decoder=decoder.value,
        backward=backward,
        live=live,
        overwrite=overwrite,
        resume=resume,
        outputs=outputs,
        writing=overlay.sink_options(),
        soft=overlay.soft,
        keep=preset.files,
    )
    masks = parse_masks(mask or [])
    locate(source)
    with lasting_objects():
        from persam_video.run import track_to_folder

    before = "marking the objects" if options.prompts else "starting"
    with ExitStack() as stack:
        page = None
        if preview and not was_finished:
            page = stack.enter_context(LivePage(f"{Path(source).name} – persam-video"))
            typer.echo(f"preview: {page.address}", err=True)
            if browser:
                open_soon(page.address)
        show = stack.enter_context(progress_bar(quiet=printer.quiet, before=before))
        record = track_to_folder(source, masks, out, options, on_progress=show, preview=page)
    places = {kind.value: place_of(kind, out) for kind in dict.fromkeys((*STORES, *outputs))}
    if options.prompts:
        places["reference"] = OutputPaths(out).prompt_picture
    printer.document(TrackDocument(out, places, record))
    if was_finished:
        printer.say(f"{out} is already finished: {record.frames_done} frames, nothing to do")
        return
    for warning in record.warnings:
        printer.warn(warning)
    tracked = record.frames_done - sum(record.resumed_at[-1:])
    seconds = sum(record.timings.values()) - record.timings.get("open", 0.0)
    rate = tracked / max(seconds, 1e-9)
    printer.say(f"{record.frames_done} frames, {rate:.1f} frames per second")
    for place in (*places.values(), OutputPaths(out).record):
        printer.say(f"  {place}")
    if profile:
        printer.tables([_profile(record.timings, tracked)])
        if record.peak_memory is not None:
            printer.say(f"peak memory {record.peak_memory / 2**20:,.0f} MiB")
    if record.status is RunStatus.INTERRUPTED:
        printer.interrupted("finished frames are kept, --resume continues")


def _profile(timings: Mapping[str, float], frames: int) -> Table:
    """Return a table of the seconds per stage, longest first."""
    whole = max(sum(timings.values()), 1e-9)
    rows = tuple(
        (stage, seconds, 1000 * seconds / max(frames, 1), 100 * seconds / whole)
        for stage, seconds in sorted(timings.items(), key=lambda item: -item[1])
    )
    return Table("time per stage", ("stage", "s", "ms per frame", "%"), rows, digits=1)
