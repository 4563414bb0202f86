"""Making further outputs from the stored results of a run, without tracking again."""

import json
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from persam_video.drawing.coverage import Coverage
from persam_video.errors import DatasetError, OutputError
from persam_video.run.stored import open_stored
from persam_video.sinks.outputs import (
    OVERLAY_PICTURE,
    Output,
    OutputKind,
    SinkOptions,
    known_output,
    open_kind,
)
from persam_video.util.atomic import check_free, check_suffix, staged, write_bytes
from persam_video.util.inputs import OutputFolder, ProtectedInputs
from persam_video.util.json import to_json
from persam_video.video.selection import ALL, Selection


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        output: the kind of output.
        place: the file or folder.
        frames: number of frames written.
        warnings: warnings about the source and the output, one line each.
        coverage: of an overlay that is to hide objects, the frames in which it may not do so.
        record: the file beside such an overlay that holds all this as JSON.
    """

    output: Output
    place: Path
    frames: int
    warnings: tuple[str, ...]
    coverage: Coverage | None = None
    record: Path | None = None


def export(
    run: str | Path,
    output: Output | str,
    out: str | Path,
    *,
    source: str | Path | None = None,
    start: int = 0,
    stop: int | None = None,
    options: SinkOptions | None = None,
    overwrite: bool = False,
) -> Exported:
    """Convert a run, or masks from any other program, to one output.

    The source is read only for outputs that show it, and for masks.

    Args:
        run: folder of a run, with ``tracks.jsonl`` and ``run.json``, or a folder of indexed PNGs;
            for their names see ``persam_video.run.mask_folder.match_masks``.
        output: the kind of output, or its name: coco, mot, overlay, …
        out: the file or folder to write.
        source: the video that was tracked; by default the path that the run recorded. Required
            for masks.
        start: the first frame to write, by its index in the source; outputs keep indices, times
            and ids.
        stop: the frame before which to end, or ``None`` for the end of the run.
        options: how to write; the stride is always that of the run or the masks.
        overwrite: replace an existing file, or write into a folder that is not empty.

    Raises:
        DatasetError: the folder does not hold a readable run, its masks do not match the source,
            none of its frames shows an object, or none of them is wanted.
        SourceError: the source cannot be read, or is not the one that was tracked.
        OutputError: the output cannot be written, already exists, or would overwrite an input.
            Whatever existed before is unchanged.
        ConfigError: there is no such output, or a setting is out of range.

    Examples:
        >>> export("result", "coco", "coco.json")  # doctest: +SKIP
    """
    output = known_output(output)
    options = options or SinkOptions()
    frames = Selection(start, stop)
    return _convert(Path(run), source, Path(out), output, output.kind, frames, options, overwrite)


def render(
    run: str | Path,
    source: str | Path,
    out: str | Path,
    *,
    start: int = 0,
    stop: int | None = None,
    options: SinkOptions | None = None,
    overwrite: bool = False,
) -> Exported:
    """Draw the results of a run, or masks from any other program, over the video.

    If the style is to hide objects, a JSON file beside the video, of the same name, holds what is
    returned: the frames in which an object was lost, above all.

    Args:
        run: folder of a run or of masks, as for ``export``.
        source: the video that was tracked.
        out: the video file to write.
        start: the first frame to show, by its index in the source.
        stop: the frame before which to end, or ``None`` for the end of the run.
        options: how to draw and write.
        overwrite: replace an existing file.

    Raises:
        PersamVideoError: as for ``export``.

    Examples:
        >>> render("result", "clip.mp4", "overlay.mp4")  # doctest: +SKIP
    """
    return export(
        run,
        Output.OVERLAY,
        out,
        source=source,
        start=start,
        stop=stop,
        options=options,
        overwrite=overwrite,
    )


def render_frame(
    run: str | Path,
    source: str | Path,
    out: str | Path,
    frame: int,
    *,
    options: SinkOptions | None = None,
    overwrite: bool = False,
) -> Exported:
    """Draw one frame as ``render`` does in its video, to see how it will look.

    Args:
        run: folder of a run or of masks, as for ``export``.
        source: the video that was tracked.
        out: the PNG to write.
        frame: its index in the source.
        options: how to draw.
        overwrite: replace an existing file.

    Raises:
        PersamVideoError: as for ``export``.

    Examples:
        >>> render_frame("result", "clip.mp4", "look.png", 40)  # doctest: +SKIP
    """
    options = options or SinkOptions()
    frames = Selection(frame, frame + 1)
    return _convert(
        Path(run), source, Path(out), Output.OVERLAY, OVERLAY_PICTURE, frames, options, overwrite
    )


def _convert(
    folder: Path,
    source: str | Path | None,
    place: Path,
    output: Output,
    kind: OutputKind,
    frames: Selection,
    options: SinkOptions,
    overwrite: bool,
) -> Exported:
    """Write a kind of output; see ``export``."""
    _check_place(place, kind, options)
    with open_stored(folder, source, with_frames=kind.shows_frames, frames=frames) as stored:
        # what is to be hidden is told of in a file of its own
        tells = kind is Output.OVERLAY.kind and options.hides
        places = [place, *([place.with_suffix(".json")] if tells else [])]
        folders = [OutputFolder(place, kind.folder_suffixes)] if kind.folder_suffixes else []
        (stored.inputs | ProtectedInputs(options.files)).check(places, folders)
        check_free(*places, overwrite=overwrite)
        options = replace(options, stride=stored.stride)
        # masks that do not fit show here, while nothing is written yet
        first = next(stored.results, None)
        results = chain(() if first is None else (first,), stored.results)
        chosen, count, seen = options.objects, 0, False
        with staged(place) as written:
            with open_kind(kind, written, stored.info, options) as sink:
                for frame, result in results:
                    if result.index < frames.start:
                        sink.pass_over(result)
                        continue
                    sink.write(frame, result)
                    seen = seen or any(
                        known.area and (chosen is None or known.object_id in chosen)
                        for known in result.objects
                    )
                    count += 1
            if not count and frames != ALL:
                raise DatasetError(f"{folder}: has no result for {_named(frames)}; track it first")
            if not seen and frames == ALL:
                what, advice = "an object", "how it was tracked"
                if chosen is not None:  # a wrong id must not leave unhidden what was to be hidden
                    what, advice = "an object that was chosen", "their ids"
                raise DatasetError(
                    f"{folder}: none of its {count} frames shows {what}, so that there is "
                    f"nothing to convert; check {advice}"
                )
            done = Exported(
                output,
                place,
                count,
                (*stored.warnings, *sink.warnings),
                sink.coverage,
                places[1] if tells else None,
            )
            if done.record is not None:
                text = json.dumps(to_json(done), indent=1, ensure_ascii=False)
                write_bytes(done.record, f"{text}\n".encode(errors="backslashreplace"))
        return done


def _named(frames: Selection) -> str:
    if frames.stop is None:
        return f"frame {frames.start} or a later one"
    last = frames.stop - 1
    return f"frame {last}" if last == frames.start else f"a frame from {frames.start} to {last}"


def _check_place(place: Path, kind: OutputKind, options: SinkOptions) -> None:
    """Check that an output of this kind can be written to a place.

    Raises:
        ConfigError: an option is out of range.
        OutputError: the file has the wrong suffix, or the place is a folder.
    """
    kind.check(place, options)
    suffix = Path(kind.place).suffix
    if kind.folder_suffixes:
        if place.is_file():
            raise OutputError(f"{place} is a file: give a folder for {kind.name}")
        return
    if place.is_dir():
        raise OutputError(f"{place} is a folder: give a file name that ends in {suffix}")
    if not kind.shows_frames:  # videos were checked
        check_suffix(place, suffix)
