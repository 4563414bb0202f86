"""Make outputs of a run later, from what it stored, without tracking again."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path

import numpy as np

from persam_video.errors import DatasetError, OutputError, SourceError
from persam_video.results import FrameResult
from persam_video.run.mask_folder import mask_results, match_masks
from persam_video.run.outputs import OutputPaths
from persam_video.sinks import FrameRecord, RunRecord, read_run, read_tracks
from persam_video.sinks.outputs import Output, SinkOptions, known_output, open_sink
from persam_video.util.atomic import check_suffix, staged
from persam_video.util.inputs import OutputFolder, ProtectedInputs
from persam_video.video import Frame, FrameStream, SourceInfo, SourceKind
from persam_video.video.inputs import source_inputs


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        output: what it is.
        place: the file or folder.
        frames: how many were written.
        warnings: of the source and of the output, a line each.
    """

    output: Output
    place: Path
    frames: int
    warnings: tuple[str, ...]


def export(
    run: str | Path,
    output: Output | str,
    out: str | Path,
    *,
    source: str | Path | None = None,
    options: SinkOptions | None = None,
    overwrite: bool = False,
) -> Exported:
    """Write one output of a run, or of masks that anything else made.

    The source is read only for outputs that show it, and for masks.

    Args:
        run: folder of the run, with ``tracks.jsonl`` and ``run.json``, or one that holds indexed
            PNGs alone; see ``persam_video.run.mask_folder.match_masks`` for their names.
        output: what to write, or its name: coco, mot, overlay, …
        out: the file or folder to write to.
        source: the video that was tracked; where the run found it, when not given. For masks it
            must be given.
        options: how to write; the stride is the run's or the masks' in any case.
        overwrite: replace a file that is there, or write into a folder that holds files.

    Raises:
        DatasetError: the folder does not hold a run that can be read, its masks are not those of
            the source, or no frame of it shows an object.
        SourceError: the source cannot be read, or is not the one that was tracked.
        OutputError: the output cannot be written, is there already, or would replace an input.
            Nothing is there then that was not before.
        ConfigError: there is no such output, or a setting is out of range.

    Examples:
        >>> export("result", "coco", "coco.json")  # doctest: +SKIP
    """
    output = known_output(output)
    folder, place = Path(run), Path(out)
    options = options or SinkOptions()
    _check_place(place, output, options)
    record = OutputPaths(folder).record
    with ExitStack() as stack:
        if not record.exists() and any(folder.glob("*.png")):
            conversion = _from_masks(folder, source, stack)
        else:
            conversion = _from_run(folder, source, stack, with_frames=output.kind.shows_frames)
        folders = [OutputFolder(place, output.kind.folder_suffixes)]
        conversion.inputs.check([place], folders if output.kind.folder_suffixes else [])
        if not overwrite and (place.is_file() or (place.is_dir() and any(place.iterdir()))):
            raise OutputError(f"{place} is there already: pass --overwrite, or another place")
        options = replace(options, stride=conversion.stride)
        # masks that do not fit show here, while nothing is written yet
        first = next(conversion.results, None)
        results = chain(() if first is None else (first,), conversion.results)
        count, seen = 0, False
        with staged(place) as written:
            with open_sink(output, written, conversion.info, options) as sink:
                for frame, result in results:
                    sink.write(frame, result)
                    seen = seen or any(known.area for known in result.objects)
                    count += 1
            if not seen:
                raise DatasetError(
                    f"{folder}: none of its {count} frames shows an object, so that there is "
                    "nothing to convert; check how it was tracked"
                )
        stream_warnings = conversion.stream.warnings if conversion.stream else ()
        return Exported(output, place, count, (*stream_warnings, *sink.warnings))


def render(
    run: str | Path,
    source: str | Path,
    out: str | Path,
    *,
    options: SinkOptions | None = None,
    overwrite: bool = False,
) -> Exported:
    """Draw the results of a run, or masks that anything else made, over the video.

    Args:
        run: see ``export``.
        source: the video that was tracked.
        out: the video file to write.
        options: how to draw and write.
        overwrite: replace a file that is there.

    Raises:
        PersamVideoError: see ``export``.

    Examples:
        >>> render("result", "clip.mp4", "overlay.mp4")  # doctest: +SKIP
    """
    return export(run, Output.OVERLAY, out, source=source, options=options, overwrite=overwrite)


def _check_place(place: Path, output: Output, options: SinkOptions) -> None:
    """Refuse a place that is not one of such outputs.

    Raises:
        ConfigError: an option is out of range.
        OutputError: the name has another suffix than such files, or is that of a folder.
    """
    output.kind.check(place, options)
    suffix = Path(output.kind.place).suffix
    if output.kind.folder_suffixes:
        if place.is_file():
            raise OutputError(f"{place} is a file: give a folder for {output.value}")
        return
    if place.is_dir():
        raise OutputError(f"{place} is a folder: give a file name that ends in {suffix}")
    if not output.kind.shows_frames:  # videos were checked
        check_suffix(place, suffix)


@dataclass(frozen=True)
class _Conversion:
    """What is converted.

    Attributes:
        info: facts about the source.
        stride: distance between the frames.
        results: the frames with their results; black where the source is not read.
        inputs: what must not be written to.
        stream: the source, where it is read.
    """

    info: SourceInfo
    stride: int
    results: Iterator[tuple[Frame, FrameResult]]
    inputs: ProtectedInputs
    stream: FrameStream | None = None


def _from_run(
    folder: Path, source: str | Path | None, stack: ExitStack, *, with_frames: bool
) -> _Conversion:
    """Take the results of a run."""
    paths = OutputPaths(folder)
    record = read_run(paths.record)
    info = _info(record, paths.record)
    size = (info.height, info.width)
    records = read_tracks(paths.tracks)
    stride = int(record.source.get("stride", 1))
    inputs = ProtectedInputs((paths.record, paths.tracks))
    for place in (source, info.path):
        inputs |= ProtectedInputs() if place is None else source_inputs(place)
    if not with_frames:
        return _Conversion(info, stride, _blank(records, size), inputs)
    start = int(record.source.get("start", 0))
    stream = stack.enter_context(_open(source or info.path, start, stride, info))
    results = _shown((record.result(size) for record in records), stream)
    return _Conversion(stream.info, stride, results, inputs, stream)


def _from_masks(folder: Path, source: str | Path | None, stack: ExitStack) -> _Conversion:
    """Take a folder of masks."""
    if source is None:
        raise SourceError(f"{folder} holds masks without a run.json: give their source, too")
    masks = match_masks(folder, source)
    indices = list(masks)
    stride = min((after - before for before, after in pairwise(indices)), default=1)
    stream = stack.enter_context(FrameStream(source))
    read = ProtectedInputs(tuple(masks.values()), {folder: {".png"}})
    inputs = source_inputs(source) | read
    return _Conversion(stream.info, stride, mask_results(masks, stream), inputs, stream)


def _info(record: RunRecord, path: Path) -> SourceInfo:
    """The source as a run's record has it."""
    source = record.source
    try:
        return SourceInfo(
            name=source["name"],
            kind=SourceKind(source["kind"]),
            width=int(source["width"]),
            height=int(source["height"]),
            fps=None if source["fps"] is None else Fraction(source["fps"]),
            variable_frame_rate=bool(source["variable_frame_rate"]),
            frame_count=source["frame_count"],
            duration=source["duration"],
            has_audio=bool(source["has_audio"]),
            path=None if source["path"] is None else Path(source["path"]),
        )
    except (LookupError, TypeError, ValueError) as error:
        raise DatasetError(
            f"{path}: does not tell what was tracked ({error}); track again"
        ) from error


def _open(source: str | Path | None, start: int, stride: int, info: SourceInfo) -> FrameStream:
    if source is None:
        raise SourceError(f"{info.name}: cannot be found again; give the source that was tracked")
    stream = FrameStream(source, start=start, stride=stride)
    found, wanted = (stream.info.width, stream.info.height), (info.width, info.height)
    if found != wanted:
        stream.close()
        raise SourceError(
            f"{stream.info.name}: has frames of {found[0]}x{found[1]}, the run has "
            f"{wanted[0]}x{wanted[1]}; give the source that was tracked"
        )
    return stream


def _shown(
    results: Iterator[FrameResult], stream: FrameStream
) -> Iterator[tuple[Frame, FrameResult]]:
    """Give every result with its frame of the source."""
    for result in results:
        # live sources drop frames, so that there can be frames without a result
        frame = next((later for later in stream if later.index >= result.index), None)
        if frame is None or frame.index != result.index:
            raise SourceError(
                f"{stream.info.name}: has no frame {result.index}; give the source that was tracked"
            )
        yield frame, result


def _blank(
    records: Iterator[FrameRecord], size: tuple[int, int]
) -> Iterator[tuple[Frame, FrameResult]]:
    """Give every result with a black frame of this height and width."""
    rgb = np.zeros((*size, 3), np.uint8)
    for record in records:
        yield Frame(record.frame, rgb, record.time, name=record.name), record.result(size)
