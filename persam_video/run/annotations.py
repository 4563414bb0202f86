"""The annotated frames of a run."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from persam_video.drawing.overlay import draw_overlay, write_picture
from persam_video.drawing.prompts import draw_prompts
from persam_video.errors import AnnotationError
from persam_video.images.reference_files import Reference, ReferenceFiles, read_references
from persam_video.masks import Annotation, MaskFile, load_annotation
from persam_video.masks.formats import is_picture
from persam_video.masks.names import with_ids_of
from persam_video.prompting import ObjectPrompts
from persam_video.results import FrameResult
from persam_video.run.frames import FrameRange
from persam_video.run.marked_frames import Marked, SourceFrames, read_marked
from persam_video.video import Frame
from persam_video.video.source import SourceInfo

Mask: TypeAlias = str | Path | MaskFile | NDArray[Any] | Annotation
"""What an annotation can be given as."""

Masks: TypeAlias = Mask | Mapping[int | None, Mask] | Mapping[int, Mask]
"""An annotation, or annotations by frame index in the source.

An annotation without an index, or with the index ``None``, belongs to the frames named in its file,
or else to the first tracked frame.
"""

_WITH_FRAME = re.compile(r"(\d+)=(.+)")


@dataclass(frozen=True)
class AnnotatedFrames:
    """Annotations by frame index in the source.

    Attributes:
        by_frame: in order of frame.
        warnings: what was ignored in their files, one line each.
        photos: reference photos; their objects have the ids of annotated objects with the same
            name.
    """

    by_frame: Mapping[int, Annotation]
    warnings: tuple[str, ...] = ()
    photos: tuple[Reference, ...] = ()

    def get(self, index: int) -> Annotation | None:
        """Return the annotation of a frame, or ``None``."""
        return self.by_frame.get(index)

    def __iter__(self) -> Iterator[int]:
        return iter(self.by_frame)

    def add(self, index: int, annotation: Annotation) -> "AnnotatedFrames":
        """Return these with more objects in a frame, drawn over the ones that it has."""
        known = self.get(index)
        if known is not None:
            over = np.where(annotation.labels > 0, annotation.labels, known.labels)
            annotation = Annotation.from_labels(over, names=known.names)
        by_frame = dict(sorted({**self.by_frame, index: annotation}.items()))
        return replace(self, by_frame=by_frame)

    def named(self, names: Mapping[str, str]) -> "AnnotatedFrames":
        """Return these with names for their objects, by id as in the record of a run."""
        by_frame = {
            index: replace(
                known, names={i: names[str(i)] for i in known.object_ids if str(i) in names}
            )
            for index, known in self.by_frame.items()
        }
        return replace(self, by_frame=by_frame)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the annotated frames."""
        return next(iter(self.by_frame.values())).size

    @property
    def first_frames(self) -> dict[int, int]:
        """The first annotated frame of each object, by id."""
        first: dict[int, int] = {}
        for index, annotation in self.by_frame.items():
            for object_id in annotation.object_ids:
                first.setdefault(object_id, index)
        return first

    @property
    def names(self) -> dict[int, str]:
        """Names of objects by id, for those that have one."""
        marked = (*(photo.marked for photo in self.photos), *self.by_frame.values())
        return dict(
            sorted((i, name) for annotation in marked for i, name in annotation.names.items())
        )

    def hashes(self) -> dict[str, str]:
        """Return the SHA-256 of each annotation's labels by frame, for the record of a run."""
        return {
            str(index): hashlib.sha256(annotation.labels.tobytes()).hexdigest()
            for index, annotation in self.by_frame.items()
        }


def parse_masks(texts: Sequence[str]) -> dict[int | None, MaskFile]:
    """Parse annotations from the command line: ``first.png``, ``40=more.json#dog.jpg``.

    Args:
        texts: files, with or without the index of their frame.

    Returns:
        The files by frame index, ``None`` for a file without one.

    Raises:
        AnnotationError: two files annotate the same frame, or have no index.
    """
    masks: dict[int | None, MaskFile] = {}
    for text in texts:
        match = _WITH_FRAME.fullmatch(text)
        index, file = (int(match[1]), match[2]) if match else (None, text)
        if index in masks:
            raise _of_one_frame("the first frame" if index is None else index, masks[index], file)
        masks[index] = MaskFile.of(file)
    return masks


def _of_one_frame(frame: int | str, one: object, other: object) -> AnnotationError:
    where = f"frame {frame}" if isinstance(frame, int) else frame
    return AnnotationError(
        f"two masks are for {where}, {_called(one)} and {_called(other)}: "
        "paint all its objects into one, or write the frame before the file, as 40=mask.png"
    )


def _called(mask: object) -> str:
    return str(mask) if isinstance(mask, (str, Path, MaskFile)) else "one in memory"


def load_annotations(
    masks: Masks | None,
    info: SourceInfo,
    frames: FrameRange,
    prompts: Sequence[ObjectPrompts] = (),
    photos: Sequence[ReferenceFiles] = (),
    source: str | Path | int = "",
) -> AnnotatedFrames:
    """Load the annotations of a run.

    Args:
        masks: see ``Masks``; ``None`` for none.
        info: facts about the source.
        frames: the frames that will be tracked.
        prompts: objects that will be added to the first frame; they are checked here.
        photos: reference photos of objects to search for; with them, no annotation is needed.
        source: the source itself, whose images are listed if an annotation names its frames.

    Raises:
        SourceError: a photo cannot be read.
        AnnotationError: a prompt does not fit the frames, or a mask cannot be used, has another
            size than the frames, or belongs to a frame that is not tracked or cannot be determined.
    """
    if masks is None:
        masks = {}
    given: Mapping[Any, Mask] = masks if isinstance(masks, Mapping) else {None: masks}
    size = (info.height, info.width)
    for prompt in prompts:
        prompt.in_pixels(size)  # refuses what does not fit
    if not given and not prompts and not photos:
        raise AnnotationError(
            "no annotation: give the mask of a frame (--mask), a box or points (--box, "
            "--point), or a photo of the object with its mask (--ref)"
        )
    for index in given:
        _check_frame(frames.start if index is None else index, info, frames)
    annotations: dict[int, Annotation] = {}
    warnings: list[str] = []
    origins: dict[int, Mask] = {}
    for index in sorted(given, key=lambda index: -1 if index is None else index):
        marked = _read(given[index], index, source, info, frames)
        for at in marked.by_frame:
            _check_frame(at, info, frames)
            if at in annotations:
                raise _of_one_frame(at, origins[at], given[index])
            origins[at] = given[index]
        renumbered = with_ids_of(annotations.values(), marked.by_frame.values())
        annotations |= zip(marked.by_frame, renumbered, strict=True)
        warnings += marked.warnings
    painted = annotations[frames.start].object_ids if frames.start in annotations else ()
    if twice := [prompt.object_id for prompt in prompts if prompt.object_id in painted]:
        raise AnnotationError(
            f"object {twice[0]} has a mask and a prompt in frame {frames.start}: "
            "leave one out, or give another id"
        )
    references = read_references(photos, annotations.values())
    return AnnotatedFrames(dict(sorted(annotations.items())), tuple(warnings), tuple(references))


def _read(
    mask: Mask, index: int | None, source: str | Path | int, info: SourceInfo, frames: FrameRange
) -> Marked:
    """Read an annotation of one or more frames."""
    if isinstance(mask, (str, Path, MaskFile)):
        file = MaskFile.of(mask)
        if not is_picture(file.path):
            return read_marked(file, index, SourceFrames.of(source, info, frames))
    annotation = load_annotation(mask, (info.height, info.width))
    return Marked({frames.start if index is None else index: annotation})


def _check_frame(index: int, info: SourceInfo, frames: FrameRange) -> None:
    if index == frames.start:  # a start beyond the end is for the source to tell
        return
    if info.frame_count is not None and index >= info.frame_count:
        raise AnnotationError(
            f"the mask of frame {index} is beyond the end: {info.name} has {info.frame_count} "
            f"frames, 0 to {info.frame_count - 1}"
        )
    if index not in frames:
        stop = "the end" if frames.stop is None else f"{frames.stop - 1}"
        step = f" in steps of {frames.stride}" if frames.stride > 1 else ""
        raise AnnotationError(
            f"the mask of frame {index} is of a frame that is not tracked (tracked are "
            f"{frames.start} to {stop}{step}): move the range, or leave the mask out"
        )


def write_prompt_picture(
    path: Path, frame: Frame, annotation: Annotation, prompts: Sequence[ObjectPrompts]
) -> None:
    """Draw annotated objects over their frame, with the boxes and points they came from, as a PNG.

    Raises:
        OutputError: the file cannot be written.
    """
    placed = [prompt.in_pixels(annotation.size) for prompt in prompts]
    labels, ids = annotation.labels, annotation.object_ids
    result = FrameResult.from_labels(frame.index, frame.time, labels, ids).named(annotation.names)
    write_picture(path, draw_prompts(draw_overlay(frame.rgb, labels, result.objects), placed))
