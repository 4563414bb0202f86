"""Matching the frames of an annotation file with those of a source."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from persam_video.errors import AnnotationError
from persam_video.masks.annotation import Annotation
from persam_video.masks.formats import MarkedFrame, open_annotations
from persam_video.masks.formats.annotated import titles
from persam_video.masks.reading import MaskFile
from persam_video.run.frames import FrameRange
from persam_video.util.names import plain_name
from persam_video.video.image_decoder import find_images, frame_names
from persam_video.video.source import SourceInfo, SourceKind, locate

_LAST_NUMBER = re.compile(r"(\d+)\D*$")
_MOST_PIXELS = 2**30  # of the annotations of a run, all of which are kept in memory


@dataclass(frozen=True)
class SourceFrames:
    """What is known about the frames of a source before reading them.

    Attributes:
        info: facts about the source.
        tracked: the frames to track.
        stems: frame indices by file name without suffix; ``None`` if the frames have no names.
    """

    info: SourceInfo
    tracked: FrameRange
    stems: Mapping[str, int] | None = None

    @classmethod
    def of(cls, source: str | Path | int, info: SourceInfo, tracked: FrameRange) -> "SourceFrames":
        """Look up the frame names of a source, which only images have.

        Raises:
            SourceError: the images cannot be listed.
        """
        names = None
        if info.kind in (SourceKind.FOLDER, SourceKind.GLOB):
            names = frame_names(find_images(locate(source)))
        stems = (
            None
            if names is None
            else {plain_name(Path(name).stem): i for i, name in enumerate(names)}
        )
        return cls(info, tracked, stems)


@dataclass(frozen=True)
class Marked:
    """The annotations in a file.

    Attributes:
        by_frame: annotations by frame index in the source.
        warnings: what was ignored, one line each.
    """

    by_frame: Mapping[int, Annotation]
    warnings: tuple[str, ...] = ()


def read_marked(file: MaskFile, index: int | None, source: SourceFrames) -> Marked:
    """Read the annotations of the tracked frames from a file of a labelling program.

    If the source consists of images, frames are matched by name. Otherwise, they are matched by the
    index in the file or else by the last number in the name. A single frame without index or number
    is the first tracked frame.

    Args:
        file: the file, and which frame or video of it to use.
        index: frame index in the source, if given by the user.
        source: the frames of the source.

    Raises:
        AnnotationError: the file cannot be used, or its frames cannot be matched without ambiguity.
    """
    with open_annotations(file.path) as found:
        frames = _of_one_video(file, found.chosen(file.frame), source.info)
        placed = _placed(file, frames, index, source)
        there = {i: frame for i, frame in placed.items() if _is_tracked(i, source)}
        if not there:
            there = dict(list(placed.items())[:1])  # _check_frame rejects it
        size = (source.info.height, source.info.width)
        if len(there) * size[0] * size[1] > _MOST_PIXELS:
            raise AnnotationError(
                f"{file}: contains {len(there)} annotated frames, too many for the memory; choose "
                f"one, as in {file.path}#{next(iter(there.values())).title}"
            )
        drawn = found.annotations(list(there.values()), size)
    known = {i: frame for i, frame in zip(there, drawn, strict=True) if frame is not None}
    warnings = [warning for frame in known.values() for warning in frame.warnings]
    if left := len(placed) - len(there):
        warnings.append(f"{file}: {left} annotated frame(s) outside the tracked range are ignored")
    return Marked({i: frame.annotation for i, frame in known.items()}, tuple(warnings))


def _of_one_video(
    file: MaskFile, frames: Sequence[MarkedFrame], info: SourceInfo
) -> Sequence[MarkedFrame]:
    """Return the frames of the source's video if the file contains several videos."""
    folders = list(dict.fromkeys(frame.folder for frame in frames))
    if len(folders) == 1:
        return frames
    stem = info.name if info.kind is SourceKind.FOLDER else Path(info.name).stem
    wanted = plain_name(stem)
    if wanted not in map(plain_name, folders):
        raise AnnotationError(
            f"{file}: contains {len(folders)} videos ({titles(frames)}), but not {stem}; choose "
            f"one, as in {file.path}#{folders[0]}"
        )
    return [frame for frame in frames if plain_name(frame.folder) == wanted]


def _placed(
    file: MaskFile, frames: Sequence[MarkedFrame], index: int | None, source: SourceFrames
) -> dict[int, MarkedFrame]:
    """Return frames of the file by frame index in the source, in order."""
    if len(frames) == 1:
        (frame,) = frames
        return {_only_place(file, frame, source) if index is None else index: frame}
    placed: dict[int, MarkedFrame] = {}
    for frame in frames:
        place = _place(frame, source)
        if place is None and source.stems is not None:
            continue  # a dataset also contains images of other videos
        if place is None or place in placed:
            raise AnnotationError(
                f"{file}: cannot tell which frame {frame.title} belongs to; choose one frame, as "
                f"in 0={file.path}#{frame.title}"
            )
        placed[place] = frame
    if not placed:
        raise AnnotationError(
            f"{file}: none of its frames ({titles(frames)}) is an image in {source.info.name}; "
            f"choose one, as in 0={file.path}#{frames[0].title}"
        )
    if index is None:
        return dict(sorted(placed.items()))
    if index not in placed:
        raise AnnotationError(
            f"{file}: contains {len(frames)} annotated frames ({titles(frames)}); choose the one "
            f"for frame {index}, as in {index}={file.path}#{frames[0].title}"
        )
    return {index: placed[index]}


def _only_place(file: MaskFile, frame: MarkedFrame, source: SourceFrames) -> int:
    """Return the index in the source of the only frame of a file."""
    place, start = _place(frame, source), source.tracked.start
    if source.stems is not None and place is None:
        raise AnnotationError(
            f"{file}: annotates {frame.title}, which is not an image in {source.info.name}; "
            f"specify the frame, as in {start}={file}"
        )
    if source.stems is not None or frame.index is not None:
        return start if place is None else place
    count = source.info.frame_count
    if place not in (None, start) and (count is None or place < count):
        raise AnnotationError(
            f"{file}: annotates {frame.title}, which could be frame {place} or the first frame; "
            f"write {place}={file} or {start}={file}"
        )
    return start


def _place(frame: MarkedFrame, source: SourceFrames) -> int | None:
    """Return the index of a frame in the source by its name or its index in the file."""
    if source.stems is not None and frame.stem is not None:
        return source.stems.get(plain_name(frame.stem))
    if frame.index is not None or frame.stem is None:
        return frame.index
    number = _LAST_NUMBER.search(frame.stem)
    return None if number is None else int(number[1])


def _is_tracked(index: int, source: SourceFrames) -> bool:
    count = source.info.frame_count
    # frames beyond the end belong to another video; _check_frame rejects them
    return index in source.tracked or (count is not None and index >= count)
