"""What a run stored, or masks that anything else made, frame by frame."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise, takewhile
from pathlib import Path

import numpy as np

from persam_video.errors import DatasetError, SourceError
from persam_video.masks.folder import mask_files
from persam_video.results import FrameResult
from persam_video.run.mask_folder import mask_results, match_masks
from persam_video.run.outputs import OutputPaths
from persam_video.sinks import FrameRecord, RunRecord, read_run, read_tracks
from persam_video.util.inputs import ProtectedInputs
from persam_video.video import Frame, FrameStream, SourceInfo, SourceKind
from persam_video.video.inputs import source_inputs
from persam_video.video.selection import ALL, Selection


@dataclass(frozen=True)
class StoredResults:
    """Results that were stored, with their frames.

    Attributes:
        info: facts about the source.
        stride: distance between the frames.
        results: the frames with their results. Frames are black where the source is not read, and
            before the first that is wanted, of which only the results matter.
        inputs: what must not be written to.
        stream: the source, where it is read.
        record: of the run; ``None`` for masks.
    """

    info: SourceInfo
    stride: int
    results: Iterator[tuple[Frame, FrameResult]]
    inputs: ProtectedInputs
    stream: FrameStream | None = None
    record: RunRecord | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the source warned of so far, a line each."""
        return tuple(self.stream.warnings) if self.stream else ()


@contextmanager
def open_stored(
    folder: Path,
    source: str | Path | None = None,
    *,
    with_frames: bool,
    frames: Selection = ALL,
) -> Iterator[StoredResults]:
    """Open what a run stored, or a folder of masks.

    Args:
        folder: of the run, with ``tracks.jsonl`` and ``run.json``, or one that holds indexed PNGs
            alone; see ``persam_video.run.mask_folder.match_masks`` for their names.
        source: the video that was tracked; where the run found it, when not given. For masks it
            must be given.
        with_frames: whether the frames are read from the source; for masks they are in any case.
        frames: the first frame that is wanted, and the one before which to end.

    Raises:
        DatasetError: the folder does not hold a run that can be read, or its masks are not those of
            the source.
        SourceError: the source cannot be read, or is not the one that was tracked.
    """
    record = OutputPaths(folder).record
    with ExitStack() as stack:
        if record.exists():
            yield _from_run(folder, source, stack, frames, with_frames=with_frames)
            return
        if not mask_files(folder):
            found = ", ".join(sorted(path.name for path in folder.glob("*"))[:3]) or "nothing"
            raise DatasetError(
                f"{folder}: holds neither a run (run.json) nor masks (PNG), found {found}; give "
                "the folder of a run, or of indexed PNGs"
            )
        yield _from_masks(folder, source, stack, frames)


def _from_run(
    folder: Path,
    source: str | Path | None,
    stack: ExitStack,
    frames: Selection,
    *,
    with_frames: bool,
) -> StoredResults:
    """Take the results of a run."""
    paths = OutputPaths(folder)
    record = read_run(paths.record)
    info = _info(record, paths.record)
    size = (info.height, info.width)
    records = takewhile(
        lambda record: frames.is_before_stop(record.frame), read_tracks(paths.tracks)
    )
    stride = int(record.source.get("stride", 1))
    inputs = ProtectedInputs((paths.record, paths.tracks))
    for place in (source, info.path):
        inputs |= ProtectedInputs() if place is None else source_inputs(place)
    if not with_frames:
        return StoredResults(info, stride, _blank(records, size), inputs, record=record)
    start = int(record.source.get("start", 0))
    start += -(-max(0, frames.start - start) // stride) * stride
    stream = stack.enter_context(_open(source or info.path, start, stride, info))
    results = _shown((record.result(size) for record in records), stream, start)
    return StoredResults(stream.info, stride, results, inputs, stream, record)


def _from_masks(
    folder: Path, source: str | Path | None, stack: ExitStack, frames: Selection
) -> StoredResults:
    """Take a folder of masks."""
    if source is None:
        raise SourceError(f"{folder} holds masks without a run.json: give their source, too")
    masks = {
        index: path
        for index, path in match_masks(folder, source).items()
        if frames.is_before_stop(index)
    }
    indices = list(masks)
    stride = min((after - before for before, after in pairwise(indices)), default=1)
    stream = stack.enter_context(FrameStream(source, start=frames.start))
    read = ProtectedInputs(tuple(masks.values()), {folder: {".png"}})
    inputs = source_inputs(source) | read
    results = mask_results(masks, stream, frames.start)
    return StoredResults(stream.info, stride, results, inputs, stream)


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
            f"{path}: does not say what was tracked ({error}); track again"
        ) from error


def _open(source: str | Path | None, start: int, stride: int, info: SourceInfo) -> FrameStream:
    if source is None:
        raise SourceError(f"{info.name}: cannot be found; give the source that was tracked")
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
    results: Iterator[FrameResult], stream: FrameStream, start: int
) -> Iterator[tuple[Frame, FrameResult]]:
    """Give every result with its frame of the source, or a black one before the start."""
    black = np.zeros((stream.info.height, stream.info.width, 3), np.uint8)
    for result in results:
        if result.index < start:
            yield Frame(result.index, black, result.time), result
            continue
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
