"""What every format contains: frames, and the shapes marked in them."""

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
from persam_video.util.names import plain_name

Size: TypeAlias = tuple[int, int]
"""Height and width in pixels."""

Draw: TypeAlias = Callable[[Size], NDArray[np.bool_]]
"""Returns the mask (H, W) of a shape in a frame of this size."""

_SOME = 4  # frames listed in a message


@dataclass(frozen=True)
class Shape:
    """An object in a frame, or a part of one.

    Attributes:
        label: name of the object or of its class.
        draw: returns the mask; ``None`` for lines and points, which have no area.
        number: number of the shape's track or group. Shapes of a frame with the same label and
            number are one object; a shape without a number is a separate object.
        is_box: whether the mask is a box, which may only have been meant to surround the object.
        size: size of the frame, for shapes that come from a picture of all of it.
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
        shapes: returns the shapes, in drawing order: later ones cover earlier ones.
        name: file name of the frame, after the folder of its video if the file contains several
            videos; ``None`` if the file has only indices.
        index: index of the frame in its video, or ``None`` if the file does not state it.
        size: height and width, or ``None`` if the file does not state them.
    """

    shapes: Callable[[], Sequence[Shape]]
    name: str | None = None
    index: int | None = None
    size: Size | None = None

    @property
    def title(self) -> str:
        """The name of the frame on the command line and in messages."""
        return self.name or str(self.index)

    @property
    def stem(self) -> str | None:
        """The name without folders and suffix."""
        return None if self.name is None else PurePosixPath(self.name).stem

    @property
    def folder(self) -> str:
        """The folder of the frame's video; empty if the name has none."""
        return "" if self.name is None else PurePosixPath(self.name).parent.name

    def is_called(self, title: str) -> bool:
        """Return whether this is the name or index of the frame, or the folder of its video."""
        names = [str(self.index)]
        if self.name is not None:
            path = PurePosixPath(self.name)
            names += [self.name, str(path.with_suffix("")), path.name, path.stem, self.folder]
        return plain_name(title.rstrip("/")) in map(plain_name, names)


@dataclass(frozen=True)
class AnnotationFile:
    """An open annotation file, archive or folder.

    Attributes:
        path: its path.
        frames: the frames that have shapes, in file order.
        tracked: whether the shapes are numbered by track, which is the same in all frames; groups
            may be numbered anew in each frame.
    """

    path: Path
    frames: Sequence[MarkedFrame]
    tracked: bool = False

    def chosen(self, title: str | None) -> Sequence[MarkedFrame]:
        """Return the frame of this name, or the frames of the video of this name, or all frames.

        Args:
            title: name or index of a frame, or name of a video; ``None`` for all.

        Raises:
            AnnotationError: there is no such frame.
        """
        frames = [frame for frame in self.frames if title is None or frame.is_called(title)]
        if not self.frames:
            raise AnnotationError(f"{self.path}: contains no object; mark at least one")
        if not frames:
            raise AnnotationError(f"{self.path}: has no frame {title}, only {titles(self.frames)}")
        return frames

    def annotation(self, title: str | None = None, size: Size | None = None) -> "NamedAnnotation":
        """Return the annotation of one frame.

        Args:
            title: name or index of the frame; not needed if the file has only one.
            size: required height and width.

        Raises:
            AnnotationError: several frames match, or the frame cannot be used.
        """
        frames = self.chosen(title)
        if len(frames) > 1:
            raise AnnotationError(
                f"{self.path}: contains {len(frames)} annotated frames ({titles(frames)}); choose "
                f"one, as in {self.path}#{frames[0].title}"
            )
        return next(drawn for drawn in self.annotations(frames, size) if drawn is not None)

    def annotations(
        self, frames: Sequence[MarkedFrame], size: Size | None = None
    ) -> "list[NamedAnnotation | None]":
        """Return the annotations of some frames, with consistent ids.

        The id of an object is the number of its track or group if these numbers are unique and in
        the range 1 to 254. Otherwise, objects are numbered from 1 in the order of these numbers, or
        in file order if they have none.

        Args:
            frames: frames of this file.
            size: required height and width; by default those in the file.

        Returns:
            One for each frame, ``None`` for a frame without an object.

        Raises:
            AnnotationError: a shape cannot be read, the size differs or is unknown, no frame has an
                object, there are more than 254 objects, or the objects of different frames cannot
                be matched without ambiguity.
        """
        shapes = [frame.shapes() for frame in frames]
        solid = [[shape for shape in in_frame if shape.draw is not None] for in_frame in shapes]
        keys = [list(_keys(in_frame)) for in_frame in solid]
        if not self.tracked:
            self._check_identity(frames, keys)
        ids = _ids(keys)
        if len(ids) > MAX_OBJECT_ID:
            raise AnnotationError(
                f"{self.path}: has {len(ids)} objects; {MAX_OBJECT_ID} at most can be tracked"
            )
        drawn = [
            self._drawn(
                frame, in_frame, [ids[key] for key in known], len(every) - len(in_frame), size
            )
            for frame, every, in_frame, known in zip(frames, shapes, solid, keys, strict=True)
        ]
        if not any(drawn):
            raise AnnotationError(
                f"{self.path}, {titles(frames)}: no object lies within the frame; mark at least one"
            )
        return drawn

    def _drawn(
        self,
        frame: MarkedFrame,
        shapes: Sequence[Shape],
        ids: Sequence[int],
        without_area: int,
        size: Size | None,
    ) -> "NamedAnnotation | None":
        """Draw the shapes of a frame; ``ids`` are the objects that they belong to."""
        place = f"{self.path}, {frame.title}"
        if size is not None and frame.size is not None:
            check_mask_size(frame.size, size, place, "annotate frames of this size")
        if not shapes:
            return None
        size = size or frame.size or next((shape.size for shape in shapes if shape.size), None)
        if size is None:
            raise AnnotationError(f"{place}: does not state the size of its frame; pass size")
        if min(size) < 1 or size[0] * size[1] > MAX_PIXELS:
            raise AnnotationError(f"{place}: cannot be of a frame of {size[1]}x{size[0]} pixels")
        labels = np.zeros(size, np.uint8)
        for shape, object_id in zip(shapes, ids, strict=True):
            if shape.draw is not None:
                labels[shape.draw(size)] = object_id
        if not labels.any():
            return None
        present = set(np.unique(labels).tolist())
        names = {i: _printable(shape.label) for i, shape in zip(ids, shapes, strict=True)}
        warnings = [
            f"{place}: object {i} ({names[i]}) is ignored: it lies outside the frame, is smaller "
            "than a pixel, or is covered by others"
            for i in sorted(names)
            if i not in present
        ]
        if without_area:
            warnings.append(
                f"{place}: {without_area} shape(s) without an area, such as lines, are ignored"
            )
        if boxes := sum(shape.is_box for shape in shapes):
            warnings.append(
                f"{place}: {boxes} box(es) are used as masks; --box makes masks from boxes instead"
            )
        shown = {
            i: names[i] for i in sorted(present & names.keys()) if names[i] not in ("", UNNAMED)
        }
        annotation = Annotation.from_labels(labels, names=shown)
        return NamedAnnotation(frame, annotation, tuple(warnings))

    def _check_identity(
        self, frames: Sequence[MarkedFrame], keys: "Sequence[Sequence[_Key]]"
    ) -> None:
        """Reject frames whose objects of the same label cannot be matched without ambiguity."""
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
                        f"{self.path}: cannot tell which {label!r} in {before.title} is which in "
                        f"{frame.title}; choose one frame, as in {self.path}#{before.title}, or "
                        "give each object its own label"
                    )


@dataclass(frozen=True)
class NamedAnnotation:
    """The annotation of a frame of a file.

    Attributes:
        frame: the frame.
        annotation: its objects, with their names.
        warnings: what was ignored, one line each.
    """

    frame: MarkedFrame
    annotation: Annotation
    warnings: tuple[str, ...] = ()


def titles(frames: Sequence[MarkedFrame]) -> str:
    """List frames in a message, or videos if the frames are of several."""
    folders = list(dict.fromkeys(frame.folder for frame in frames))
    names = folders if len(folders) > 1 else [frame.title for frame in frames]
    more = f", … ({len(names)} in all)" if len(names) > _SOME else ""
    return ", ".join(names[:_SOME]) + more


def _printable(label: str) -> str:
    """Return a label as NFC, without characters that XML and file names cannot hold."""
    return "".join(c if c.isprintable() else " " for c in plain_name(label)).strip()


@dataclass(frozen=True)
class _Key:
    """What identifies an object.

    Attributes:
        label: its label.
        number: number of its track or group, or its position among the objects of this label in
            the frame.
        grouped: whether it is in a track or group.
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
    objects = list(dict.fromkeys(key for in_frame in keys for key in in_frame))
    numbers = {key.number for key in objects if key.grouped and 1 <= key.number <= MAX_OBJECT_ID}
    if len(numbers) == len(objects):
        return {key: key.number for key in objects}
    if all(key.grouped for key in objects):
        objects.sort(key=lambda key: key.number)
    return {key: place for place, key in enumerate(objects, start=1)}
