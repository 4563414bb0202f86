"""What every format gives: frames, and the shapes that are marked in them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from persam_video.errors import AnnotationError
from persam_video.masks.annotation import Annotation, check_mask_size
from persam_video.masks.labels import MAX_OBJECT_ID, UNNAMED
from persam_video.util.image_file import MAX_PIXELS

Size: TypeAlias = tuple[int, int]
"""Height and width in pixels."""

Draw: TypeAlias = Callable[[Size], NDArray[np.bool_]]
"""Gives the mask (H, W) of a shape in a frame of this size."""

_SOME = 4  # frames that a message names


@dataclass(frozen=True)
class Shape:
    """A part of an object in a frame, or all of it.

    Attributes:
        label: the name of the object or of its kind.
        draw: gives the mask; ``None`` for lines and points, which have no area.
        number: of the track or group that the shape belongs to. Shapes of a frame with the same
            label and number are one object; one without a number is an object of its own.
        is_box: whether the mask is a box, which may be meant to be around the object only.
        size: of the frame, where the shape is a picture of it.
    """

    label: str
    draw: Draw | None
    number: int | None = None
    is_box: bool = False
    size: Size | None = None


@dataclass(frozen=True)
class MarkedFrame:
    """A frame with its shapes.

    Attributes:
        shapes: gives them, each over those before it.
        name: file name of the frame, with the folder of its video where the file holds several;
            ``None`` where the file has indices only.
        index: of the frame in its video, where the file tells.
        size: height and width, where the file tells.
    """

    shapes: Callable[[], Sequence[Shape]]
    name: str | None = None
    index: int | None = None
    size: Size | None = None

    @property
    def title(self) -> str:
        """What to call the frame on the command line and in messages."""
        return self.name or str(self.index)

    @property
    def stem(self) -> str | None:
        """The name without folders and suffix."""
        return None if self.name is None else PurePosixPath(self.name).stem

    @property
    def folder(self) -> str:
        """The folder of the frame's video; empty for a name without one."""
        return "" if self.name is None else PurePosixPath(self.name).parent.name

    def is_called(self, title: str) -> bool:
        """Return whether the frame, or the folder of its video, has this name or index."""
        return title in (self.name, self.stem, str(self.index)) or (
            self.name is not None
            and title.strip("/") in (self.folder, str(PurePosixPath(self.name).with_suffix("")))
        )


@dataclass(frozen=True)
class AnnotationFile:
    """An annotation file or folder that was opened.

    Attributes:
        path: of the file.
        frames: those with shapes, in the order of the file.
        tracked: whether numbers are those of tracks, which hold for all frames; the numbers of
            groups may be given anew in every frame.
    """

    path: Path
    frames: Sequence[MarkedFrame]
    tracked: bool = False

    def chosen(self, title: str | None) -> Sequence[MarkedFrame]:
        """Return the frames of a name: one, or those of one video; all without a name.

        Raises:
            AnnotationError: there are none.
        """
        frames = [frame for frame in self.frames if title is None or frame.is_called(title)]
        if not self.frames:
            raise AnnotationError(f"{self.path}: has no object; mark one")
        if not frames:
            raise AnnotationError(f"{self.path}: has no frame {title}, but {titles(self.frames)}")
        return frames

    def annotation(self, title: str | None = None, size: Size | None = None) -> Annotation:
        """Return the annotation of one frame.

        Args:
            title: its name or index; not needed where the file has one frame only.
            size: height and width that it has to have.

        Raises:
            AnnotationError: the file has several such frames, or the frame cannot be used.
        """
        frames = self.chosen(title)
        if len(frames) > 1:
            raise AnnotationError(
                f"{self.path}: holds {len(frames)} annotated frames: name one of "
                f"{titles(frames)}, as in {self.path.name}#{frames[0].title}"
            )
        return self.annotations(frames, size)[0].annotation

    def annotations(
        self, frames: Sequence[MarkedFrame], size: Size | None = None
    ) -> "list[NamedAnnotation]":
        """Return the annotations of some of the frames, with ids that agree.

        An object has the number of its track or group as its id where these tell all objects apart
        and are from 1 to 254; otherwise objects are numbered in the order of these numbers, or
        else of the file.

        Args:
            frames: of this file.
            size: height and width that they have to have; those of the file when not given.

        Raises:
            AnnotationError: a shape cannot be read, the size is another one or not known, a frame
                has no object or more than 254, or it is in doubt which objects are the same.
        """
        shapes = [frame.shapes() for frame in frames]
        solid = [[shape for shape in each if shape.draw is not None] for each in shapes]
        keys = [list(_keys(each)) for each in solid]
        if not self.tracked:
            self._check_identity(frames, keys)
        ids = _ids(keys)
        if len(ids) > MAX_OBJECT_ID:
            raise AnnotationError(
                f"{self.path}: has {len(ids)} objects; {MAX_OBJECT_ID} at most can be tracked"
            )
        return [
            self._drawn(frame, each, [ids[key] for key in known], len(every) - len(each), size)
            for frame, every, each, known in zip(frames, shapes, solid, keys, strict=True)
        ]

    def _drawn(
        self,
        frame: MarkedFrame,
        shapes: Sequence[Shape],
        ids: Sequence[int],
        without_area: int,
        size: Size | None,
    ) -> "NamedAnnotation":
        """Draw the shapes of a frame, which belong to the objects with these ids."""
        place = f"{self.path}, {frame.title}"
        if size is not None and frame.size is not None:
            check_mask_size(frame.size, size, place)
        size = size or frame.size or next((shape.size for shape in shapes if shape.size), None)
        if size is None:
            raise AnnotationError(f"{place}: does not tell the size of its frame; give it")
        if min(size) < 1 or size[0] * size[1] > MAX_PIXELS:
            raise AnnotationError(f"{place}: cannot be of a frame of {size[1]}x{size[0]} pixels")
        labels = np.zeros(size, np.uint8)
        for shape, object_id in zip(shapes, ids, strict=True):
            if shape.draw is not None:
                labels[shape.draw(size)] = object_id
        if not labels.any():
            raise AnnotationError(f"{place}: has no object within the frame; mark one")
        present = set(np.unique(labels).tolist())
        names = {i: shape.label for i, shape in zip(ids, shapes, strict=True)}
        warnings = [
            f"{place}: object {i}, {names[i]}, is left out: it is outside of the frame, smaller "
            "than a pixel, or covered by others"
            for i in sorted(names)
            if i not in present
        ]
        if without_area:
            warnings.append(
                f"{place}: shapes without an area, such as lines, are left out ({without_area})"
            )
        if boxes := sum(shape.is_box for shape in shapes):
            warnings.append(
                f"{place}: boxes are taken as masks, whole ({boxes}); to have masks made of boxes, "
                "give them as --box"
            )
        shown = {i: names[i] for i in sorted(present & names.keys()) if names[i] != UNNAMED}
        annotation = Annotation.from_labels(labels, names=shown)
        return NamedAnnotation(frame, annotation, tuple(warnings))

    def _check_identity(
        self, frames: Sequence[MarkedFrame], keys: "Sequence[Sequence[_Key]]"
    ) -> None:
        """Refuse frames between which it is in doubt which objects of a label are the same."""
        seen: dict[str, tuple[MarkedFrame, set[_Key]]] = {}
        for frame, known in zip(frames, keys, strict=True):
            for label in dict.fromkeys(key.label for key in known):
                here = {key for key in known if key.label == label}
                before, there = seen.get(label, (frame, here))
                seen[label] = (frame, here)
                both = here | there
                grouped = all(key.grouped for key in both) and bool(here & there)
                if before is not frame and len(both) > 1 and not grouped:
                    raise AnnotationError(
                        f"{self.path}: it is in doubt which {label!r} of {before.title} is which "
                        f"of {frame.title}: choose one frame, as in "
                        f"{self.path.name}#{before.title}, or give each object its own label"
                    )


@dataclass(frozen=True)
class NamedAnnotation:
    """An annotation, and the frame of the file that it is of.

    Attributes:
        frame: as the file has it.
        annotation: its objects, with their names.
        warnings: what was left out, a line each.
    """

    frame: MarkedFrame
    annotation: Annotation
    warnings: tuple[str, ...] = ()


def titles(frames: Sequence[MarkedFrame]) -> str:
    """Return the names of frames for a message; those of the videos where there are several."""
    folders = list(dict.fromkeys(frame.folder for frame in frames))
    names = folders if len(folders) > 1 else [frame.title for frame in frames]
    more = f", … ({len(names)} in all)" if len(names) > _SOME else ""
    return ", ".join(names[:_SOME]) + more


@dataclass(frozen=True)
class _Key:
    """What tells an object from the others.

    Attributes:
        label: its label.
        number: of its track or group, else its place among those of its label in the frame.
        grouped: whether it is the number of a track or group.
    """

    label: str
    number: int
    grouped: bool


def _keys(shapes: Iterable[Shape]) -> Iterable[_Key]:
    alone: dict[str, int] = {}
    for shape in shapes:
        if shape.number is not None:
            yield _Key(shape.label, shape.number, True)
        else:
            alone[shape.label] = alone.get(shape.label, 0) + 1
            yield _Key(shape.label, alone[shape.label], False)


def _ids(keys: Iterable[Iterable[_Key]]) -> dict[_Key, int]:
    objects = list(dict.fromkeys(key for each in keys for key in each))
    numbers = {key.number for key in objects if key.grouped and 1 <= key.number <= MAX_OBJECT_ID}
    if len(numbers) == len(objects):
        return {key: key.number for key in objects}
    if all(key.grouped for key in objects):
        objects.sort(key=lambda key: key.number)
    return {key: place for place, key in enumerate(objects, start=1)}
