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
from persam_video.sinks.outputs import Output, SinkOptions, needs_pictures, open_sink
from persam_video.video import Frame, FrameStream, SourceInfo, SourceKind


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
    output: Output,
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
        output: what to write.
        out: the file or folder to write to.
        source: the video that was tracked; where the run found it, when not given. For masks it
            must be given.
        options: how to write; the stride is the run's or the masks' in any case.
        overwrite: replace a file that is there, or write into a folder that holds files.

    Raises:
        DatasetError: the folder does not hold a run that can be read, or its masks are not those
            of the source.
        SourceError: the source cannot be read, or is not the one that was tracked.
        OutputError: the output cannot be written, or is there already.
        ConfigError: a setting is out of range.
    """
    paths, place = OutputPaths(Path(run)), Path(out)
    if not overwrite and (place.is_file() or (place.is_dir() and any(place.iterdir()))):
        raise OutputError(f"{place} is there already: pass --overwrite, or another place")
    options = options or SinkOptions()
    if not paths.record.exists() and any(paths.folder.glob("*.png")):
        return _export_masks(paths.folder, output, place, source, options)
    record = read_run(paths.record)
    info = _info(record, paths.record)
    size = (info.height, info.width)
    records = read_tracks(paths.tracks)
    options = replace(options, stride=int(record.source.get("stride", 1)))
    with ExitStack() as stack:
        if needs_pictures(output):
            start = int(record.source.get("start", 0))
            stream = stack.enter_context(_open(source or info.path, start, options.stride, info))
            sink = stack.enter_context(open_sink(output, place, stream.info, options))
            pairs = _shown((record.result(size) for record in records), stream)
        else:
            stream = None
            sink = stack.enter_context(open_sink(output, place, info, options))
            pairs = _blank(records, size)
        count = 0
        for frame, result in pairs:
            sink.write(frame, result)
            count += 1
    warnings = (*(stream.warnings if stream else ()), *sink.warnings)
    return Exported(output, place, count, warnings)


def _export_masks(
    folder: Path, output: Output, place: Path, source: str | Path | None, options: SinkOptions
) -> Exported:
    """Write one output of a folder of masks."""
    if source is None:
        raise SourceError(f"{folder} holds masks without a run.json: give their source, too")
    masks = match_masks(folder, source)
    indices = list(masks)
    stride = min((after - before for before, after in pairwise(indices)), default=1)
    count = 0
    with FrameStream(source) as stream:
        pairs = mask_results(masks, stream)
        # masks that do not fit show here, while nothing is written yet
        first = next(pairs)
        with open_sink(output, place, stream.info, replace(options, stride=stride)) as sink:
            for frame, result in chain((first,), pairs):
                sink.write(frame, result)
                count += 1
        return Exported(output, place, count, (*stream.warnings, *sink.warnings))


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
        frame = next((each for each in stream if each.index >= result.index), None)
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
