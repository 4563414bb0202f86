"""Which frames of a source the frames of an annotation file are."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from persam_video.errors import AnnotationError
from persam_video.masks.annotation import Annotation
from persam_video.masks.formats import AnnotationFile, MarkedFrame, open_annotations
from persam_video.masks.formats.annotated import titles
from persam_video.masks.labels import MAX_OBJECT_ID
from persam_video.masks.reading import MaskFile
from persam_video.run.frames import FrameRange
from persam_video.video.image_decoder import find_images, frame_names
from persam_video.video.source import SourceInfo, SourceKind, locate

_LAST_NUMBER = re.compile(r"(\d+)\D*$")
_MOST_PIXELS = 2**30  # of the annotations of a run, which are all held


@dataclass(frozen=True)
class SourceFrames:
    """What is known of the frames of a source before they are read.

    Attributes:
        info: facts about the source.
        tracked: the frames that are tracked.
        stems: of the frames that have names: their indices by their name without its suffix.
    """

    info: SourceInfo
    tracked: FrameRange
    stems: Mapping[str, int] | None = None

    @classmethod
    def of(cls, source: str | Path | int, info: SourceInfo, tracked: FrameRange) -> "SourceFrames":
        """Look up the names of the frames of a source, which only images have.

        Raises:
            SourceError: the images cannot be listed.
        """
        names = None
        if info.kind in (SourceKind.FOLDER, SourceKind.GLOB):
            names = frame_names(find_images(locate(source)))
        stems = None if names is None else {Path(name).stem: i for i, name in enumerate(names)}
        return cls(info, tracked, stems)


@dataclass(frozen=True)
class Marked:
    """Annotations of a file.

    Attributes:
        by_frame: by the index of their frame in the source.
        warnings: what is not used of the file, a line each.
    """

    by_frame: Mapping[int, Annotation]
    warnings: tuple[str, ...] = ()


def read_marked(file: MaskFile, index: int | None, source: SourceFrames) -> Marked:
    """Read the annotations of the tracked frames from a file of a labelling program.

    A frame of the file is the one of the source that has its name, where the source is a folder
    of images; otherwise the one of the index that the file tells, or of the last number in its
    name. One frame alone, without any of these, is the first that is tracked.

    Args:
        file: the file, and which of its frames, or of its videos, if not all.
        index: the frame of the source that it is said to be of.
        source: what is known of the source.

    Raises:
        AnnotationError: the file cannot be used, or it is in doubt which frames it is of.
    """
    with open_annotations(file.path) as found:
        frames = _of_one_video(found, found.chosen(file.frame), source.info)
        placed = _placed(found, frames, index, source)
        there = {i: frame for i, frame in placed.items() if _is_tracked(i, source)}
        if not there:
            there = dict(list(placed.items())[:1])  # for the check of frames to refuse
        size = (source.info.height, source.info.width)
        if len(there) * size[0] * size[1] > _MOST_PIXELS:
            raise AnnotationError(
                f"{file}: holds {len(there)} annotated frames, more than fit into memory; name "
                f"one of them, as in {file.path}#{next(iter(there.values())).title}"
            )
        drawn = found.annotations(list(there.values()), size)
    warnings = [warning for each in drawn for warning in each.warnings]
    if left := len(placed) - len(there):
        warnings.append(f"{file}: {left} annotated frames are not tracked, and left out")
    by_frame = {i: each.annotation for i, each in zip(there, drawn, strict=True)}
    return Marked(by_frame, tuple(warnings))


def with_ids_of(
    known: Mapping[int, Annotation], others: Mapping[int, Annotation]
) -> dict[int, Annotation]:
    """Return annotations with the ids that objects of the same name have in those known.

    Files number their named objects each for itself; objects without a name are told by their ids.

    Args:
        known: annotations by frame.
        others: those of another file.

    Raises:
        AnnotationError: it is in doubt which objects are the same.
    """
    before, now = _names(known), _names(others)
    by_name = {name: i for i, name in before.items() if name is not None}
    ids = {i: i for i, name in now.items() if name is None}
    new = []
    for i, name in now.items():
        if name is None:
            continue
        again = max(list(each.values()).count(name) for each in (before, now)) > 1
        if (name in by_name and again) or (i in before and before[i] is None):
            raise AnnotationError(
                f"it is in doubt which object of the other masks {name!r} is: give each object a "
                "name of its own in all files, or ids in all"
            )
        if name in by_name:
            ids[i] = by_name[name]
        else:
            new.append(i)
    taken = {*before, *ids.values()}
    for i in new:
        free = [j for j in (i, *range(1, MAX_OBJECT_ID + 1)) if j not in taken]
        if not free:
            raise AnnotationError(f"more than {MAX_OBJECT_ID} objects cannot be tracked")
        ids[i] = free[0]
        taken.add(free[0])
    table = np.arange(256, dtype=np.uint8)
    table[list(ids)] = list(ids.values())
    return {
        index: Annotation.from_labels(
            table[each.labels], names={ids[i]: name for i, name in each.names.items()}
        )
        for index, each in others.items()
    }


def _names(annotations: Mapping[int, Annotation]) -> dict[int, str | None]:
    """Return the names of all objects by id, ``None`` for those without."""
    return {i: each.names.get(i) for each in annotations.values() for i in each.object_ids}


def _of_one_video(
    found: AnnotationFile, frames: Sequence[MarkedFrame], info: SourceInfo
) -> Sequence[MarkedFrame]:
    """Return the frames of the source's video, where the file has those of several."""
    folders = list(dict.fromkeys(frame.folder for frame in frames))
    if len(folders) == 1:
        return frames
    stem = info.name if info.kind is SourceKind.FOLDER else Path(info.name).stem
    if stem not in folders:
        raise AnnotationError(
            f"{found.path}: holds {len(folders)} videos, and none is called {stem}: name one of "
            f"{titles(frames)}, as in {found.path}#{folders[0]}"
        )
    return [frame for frame in frames if frame.folder == stem]


def _placed(
    found: AnnotationFile, frames: Sequence[MarkedFrame], index: int | None, source: SourceFrames
) -> dict[int, MarkedFrame]:
    """Return frames of the file by the index of their frame in the source, in order."""
    if len(frames) == 1:
        (frame,) = frames
        return {_only_place(found, frame, source) if index is None else index: frame}
    placed: dict[int, MarkedFrame] = {}
    for frame in frames:
        place = _place(frame, source)
        if place is None and source.stems is not None:
            continue  # a data set has images of other videos, too
        if place is None or place in placed:
            raise AnnotationError(
                f"{found.path}: it is in doubt which frame {frame.title} is of: name one frame, "
                f"as in 0={found.path}#{frame.title}"
            )
        placed[place] = frame
    if not placed:
        raise AnnotationError(
            f"{found.path}: none of its frames ({titles(frames)}) has the name of an image in "
            f"{source.info.name}: name one, as in 0={found.path}#{frames[0].title}"
        )
    if index is None:
        return dict(sorted(placed.items()))
    if index not in placed:
        raise AnnotationError(
            f"{found.path}: holds {len(frames)} annotated frames: name the one that is of frame "
            f"{index}, as in {index}={found.path}#{frames[0].title}, of {titles(frames)}"
        )
    return {index: placed[index]}


def _only_place(found: AnnotationFile, frame: MarkedFrame, source: SourceFrames) -> int:
    """Return the index of the only frame of a file."""
    place, start = _place(frame, source), source.tracked.start
    if source.stems is not None and place is None:
        raise AnnotationError(
            f"{found.path}: is of {frame.title}, and no image in {source.info.name} is called so: "
            f"write which frame it is of, as in {start}={found.path}"
        )
    if source.stems is not None or frame.index is not None:
        return start if place is None else place
    count = source.info.frame_count
    if place not in (None, start) and (count is None or place < count):
        raise AnnotationError(
            f"{found.path}: is of {frame.title}, which may be frame {place} or the first: write "
            f"{place}={found.path} or {start}={found.path}"
        )
    return start


def _place(frame: MarkedFrame, source: SourceFrames) -> int | None:
    """Return the index of a frame by its name or what the file tells."""
    if source.stems is not None and frame.stem is not None:
        return source.stems.get(frame.stem)
    if frame.index is not None or frame.stem is None:
        return frame.index
    number = _LAST_NUMBER.search(frame.stem)
    return None if number is None else int(number[1])


def _is_tracked(index: int, source: SourceFrames) -> bool:
    count = source.info.frame_count
    # what is beyond the end is of another video, for the check of frames to refuse
    return index in source.tracked or (count is not None and index >= count)
