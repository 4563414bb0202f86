"""Gestures that mark objects (clicks, boxes, strokes), with the resulting masks."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from persam_video.errors import AnnotationError
from persam_video.masks.rle import Rle, decode

_SHIFT = 4
"""Fractional bits of coordinates in OpenCV's drawing functions."""

_MOST_POINTS = 20_000


@dataclass(frozen=True)
class Click:
    """A point on an object, or on the background.

    Attributes:
        x: in pixels of the frame; the centre of the first pixel is 0.5.
        y: likewise, downwards.
        positive: whether the point is on the object.
    """

    x: float
    y: float
    positive: bool = True


@dataclass(frozen=True)
class Box:
    """A box around an object.

    Attributes:
        corners: (x0, y0, x1, y1) in pixels of the frame, x1 and y1 exclusive.
    """

    corners: tuple[float, float, float, float]


@dataclass(frozen=True)
class Stroke:
    """A line drawn with a round brush or eraser.

    Attributes:
        points: (x, y) in pixels of the frame, in order.
        radius: of the brush, in pixels of the frame.
        erase: whether the line erases the object.
    """

    points: tuple[tuple[float, float], ...]
    radius: float
    erase: bool = False

    def cover(self, size: tuple[int, int]) -> NDArray[np.bool_]:
        """Return the pixels (H, W) under the line in a frame of (height, width)."""
        drawn = np.zeros(size, np.uint8)
        # OpenCV's origin is the centre of the first pixel
        line = np.rint((np.array(self.points) - 0.5) * 2**_SHIFT).astype(np.int32)
        radius = max(1, round(self.radius * 2**_SHIFT))
        for x, y in line.tolist():
            cv2.circle(drawn, (x, y), radius, 1, cv2.FILLED, cv2.LINE_8, _SHIFT)
        thickness = max(1, round(2 * self.radius))
        cv2.polylines(drawn, [line[:, None]], False, 1, thickness, cv2.LINE_8, _SHIFT)
        return drawn > 0


@dataclass(frozen=True)
class Clear:
    """Removes all marks of an object in a frame."""


@dataclass(frozen=True)
class Given:
    """A mask that was not drawn here, but given, or annotated in an earlier run."""


@dataclass(frozen=True)
class Delete:
    """Deletes an object, with its marks and masks in all frames."""


Mark: TypeAlias = Click | Box | Stroke | Clear
Deed: TypeAlias = Mark | Given | Delete


@dataclass(frozen=True)
class Gesture:
    """One action of the user, and its result.

    Attributes:
        frame: index of the frame; of ``Delete``, one that shows the object.
        object_id: id of the object.
        mark: the action.
        mask: mask of the object afterwards; ``None`` after ``Clear`` and ``Delete``.
        moment: time when it was done or undone; see ``ResultJournal.end``.
        valid: number of valid frames before that.
    """

    frame: int
    object_id: int
    mark: Deed
    mask: Rle | None
    moment: int = 0
    valid: int = 0


@dataclass
class History:
    """Gestures in order, and those that were undone.

    Attributes:
        done: gestures in effect.
        undone: undone gestures, the latest last.
    """

    done: list[Gesture] = field(default_factory=list)
    undone: list[Gesture] = field(default_factory=list)

    def add(self, gesture: Gesture) -> None:
        """Add a gesture; gestures undone before can no longer be redone."""
        self.done.append(gesture)
        self.undone.clear()

    def undo(self, moment: int, valid: int) -> Gesture | None:
        """Undo the last gesture and return it; ``None`` if there is none.

        Args:
            moment: the current time; see ``Gesture``.
            valid: current number of valid frames.
        """
        return _move(self.done, self.undone, moment, valid)

    def redo(self, moment: int, valid: int) -> Gesture | None:
        """Do again what was undone last, and return it; see ``undo``."""
        return _move(self.undone, self.done, moment, valid)

    @property
    def deleted(self) -> set[int]:
        """Ids of the objects that were deleted."""
        return {gesture.object_id for gesture in self.done if isinstance(gesture.mark, Delete)}

    @property
    def _marks(self) -> Iterator[Gesture]:
        """The gestures that mark objects, except deleted ones."""
        deleted = self.deleted
        return (gesture for gesture in self.done if gesture.object_id not in deleted)

    def of(self, frame: int, object_id: int) -> list[Gesture]:
        """Return the gestures in effect for an object in a frame: those since it was cleared."""
        found: list[Gesture] = []
        for gesture in self._marks:
            if (gesture.frame, gesture.object_id) == (frame, object_id):
                found = [] if isinstance(gesture.mark, Clear) else [*found, gesture]
        return found

    def in_frame(self, frame: int) -> list[Gesture]:
        """Return the gestures in effect in a frame, in order."""
        ids = {gesture.object_id for gesture in self._marks if gesture.frame == frame}
        kept = {id(g) for object_id in ids for g in self.of(frame, object_id)}
        return [gesture for gesture in self.done if id(gesture) in kept]

    def masks(self, frame: int) -> dict[int, Rle]:
        """Return the masks marked in a frame, by object, the latest last."""
        masks: dict[int, Rle] = {}
        for gesture in self._marks:
            if gesture.frame == frame:
                masks.pop(gesture.object_id, None)
                if gesture.mask is not None:
                    masks[gesture.object_id] = gesture.mask
        return masks

    def marked(self) -> dict[int, set[int]]:
        """Return the frames in which each object is marked, by id."""
        last = {(gesture.object_id, gesture.frame): gesture.mask for gesture in self._marks}
        marked: dict[int, set[int]] = {}
        for (object_id, frame), mask in last.items():
            if mask is not None:
                marked.setdefault(object_id, set()).add(frame)
        return marked

    @property
    def frames(self) -> list[int]:
        """Indices of the frames with marks, in order."""
        return sorted({frame for frames in self.marked().values() for frame in frames})


def _move(source: list[Gesture], target: list[Gesture], moment: int, valid: int) -> Gesture | None:
    if not source:
        return None
    gesture = source.pop()
    target.append(replace(gesture, moment=moment, valid=valid))
    return gesture


_OTHERS: Mapping[str, Given | Delete] = {"given": Given(), "delete": Delete()}
"""Actions that are not drawn on the page, by their name in JSON."""


def compose(
    masks: Mapping[int, Rle], size: tuple[int, int], below: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """Return the label map of masks, with later ones over earlier ones.

    Args:
        masks: by object id.
        size: height and width of the frame.
        below: label map (H, W) underneath; its masks of the same objects are removed.
    """
    labels = np.zeros(size, np.uint8) if below is None else below.copy()
    if below is not None and masks:
        labels[np.isin(labels, list(masks))] = 0
    for object_id, mask in masks.items():
        labels[decode(mask)] = object_id
    return labels


def mark_of(data: Mapping[str, Any], size: tuple[int, int]) -> Mark:
    """Read a mark from JSON.

    Args:
        data: ``kind`` and its values; see ``mark_json``.
        size: height and width of the frame, which the mark must lie in.

    Raises:
        AnnotationError: it is not a mark, or lies outside the frame.
    """
    try:
        kind = data["kind"]
        if kind == "clear":
            return Clear()
        if kind == "click":
            x, y = _inside([(data["x"], data["y"])], size)[0]
            return Click(x, y, bool(data.get("positive", True)))
        if kind == "box":
            x0, y0, x1, y1 = map(_number, data["box"])
            height, width = size
            x0, x1 = max(0.0, min(x0, x1)), min(float(width), max(x0, x1))
            y0, y1 = max(0.0, min(y0, y1)), min(float(height), max(y0, y1))
            if x1 - x0 < 1 or y1 - y0 < 1:
                raise AnnotationError("the box is empty: draw it around the object")
            return Box((x0, y0, x1, y1))
        if kind == "stroke":
            points = [(_number(x), _number(y)) for x, y in data["points"]]
            radius = _number(data["radius"])
            if not 1 <= len(points) <= _MOST_POINTS or not 0 < radius <= max(size):
                raise AnnotationError("the stroke has no points, too many, or no radius")
            far = 2.0 * max(size)
            if any(abs(x) > far or abs(y) > far for x, y in points):
                raise AnnotationError("the stroke is far outside the frame: draw it inside")
            return Stroke(tuple(points), radius, bool(data.get("erase", False)))
    except (LookupError, TypeError, ValueError) as error:
        raise AnnotationError(f"the gesture cannot be read ({error}): reload the page") from error
    raise AnnotationError(
        f"gesture {str(kind)[:20]!r} is unknown (known: click, box, stroke, clear)"
    )


def mark_json(mark: Deed) -> dict[str, Any]:
    """Return a mark as JSON types."""
    if isinstance(mark, Click):
        return {"kind": "click", "x": mark.x, "y": mark.y, "positive": mark.positive}
    if isinstance(mark, Box):
        return {"kind": "box", "box": list(mark.corners)}
    if isinstance(mark, Stroke):
        points = [list(point) for point in mark.points]
        return {"kind": "stroke", "points": points, "radius": mark.radius, "erase": mark.erase}
    return {"kind": type(mark).__name__.lower()}


def gestures_json(gestures: Iterable[Gesture]) -> list[dict[str, Any]]:
    """Return gestures as JSON types."""
    return [
        {
            "frame": gesture.frame,
            "object": gesture.object_id,
            **mark_json(gesture.mark),
            "mask": None if gesture.mask is None else gesture.mask["counts"],
            "moment": gesture.moment,
            "valid": gesture.valid,
        }
        for gesture in gestures
    ]


def read_gestures(data: Sequence[Mapping[str, Any]], size: tuple[int, int]) -> Iterator[Gesture]:
    """Read gestures from JSON.

    Args:
        data: what ``gestures_json`` returned.
        size: height and width of the frames.

    Raises:
        AnnotationError: a mark cannot be read.
        ValueError: a mask is damaged.
    """
    for item in data:
        counts = item["mask"]
        mask = None if counts is None else Rle(size=list(size), counts=str(counts))
        if mask is not None:
            decode(mask)
        yield Gesture(
            int(item["frame"]),
            int(item["object"]),
            _OTHERS.get(item["kind"]) or mark_of(item, size),
            mask,
            int(item["moment"]),
            int(item["valid"]),
        )


def _inside(points: Iterable[tuple[Any, Any]], size: tuple[int, int]) -> list[tuple[float, float]]:
    height, width = size
    found = [(_number(x), _number(y)) for x, y in points]
    for x, y in found:
        if not (0 <= x < width and 0 <= y < height):
            raise AnnotationError(
                f"the point {x:g},{y:g} is outside the frame, which is {width}x{height}: "
                "click inside"
            )
    return found


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value} is not a finite number")
    return number
