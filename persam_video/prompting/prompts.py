"""Prompts for an object: boxes and points."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from persam_video.errors import AnnotationError
from persam_video.masks.labels import MAX_OBJECT_ID

if TYPE_CHECKING:
    from persam_video.sam.model import SamModel

_UNITS = "give pixels, or percent of the frame as in 14%,35%,37%,66%"


@dataclass(frozen=True)
class Percent:
    """A coordinate as a share of the frame's width or height, 0 to 100."""

    value: float

    def __str__(self) -> str:
        return f"{self.value:g}%"


Coordinate: TypeAlias = float | Percent
Point: TypeAlias = tuple[Coordinate, Coordinate]


@dataclass(frozen=True)
class ObjectPrompts:
    """A box, points, or both, that mark one object of a frame.

    Coordinates are pixels of the frame, or ``Percent`` of it.

    Attributes:
        object_id: the object's label, 1 to 254.
        box: (x0, y0, x1, y1), x1 and y1 exclusive.
        points: points (x, y) on the object.
        background: points (x, y) beside it.
    """

    object_id: int
    box: tuple[Coordinate, Coordinate, Coordinate, Coordinate] | None = None
    points: tuple[Point, ...] = ()
    background: tuple[Point, ...] = ()

    def in_pixels(self, size: tuple[int, int], *, corrects: bool = False) -> "PixelPrompts":
        """Return the prompts in pixels of a frame.

        Args:
            size: height and width of the frame.
            corrects: whether there is a mask already, so that background points suffice.

        Raises:
            AnnotationError: the id is not a label, the box has no pixel, a coordinate is outside of
                the frame or seems to be a share of it, or nothing says where the object is.
        """
        name = f"object {self.object_id}"
        if not 1 <= self.object_id <= MAX_OBJECT_ID:
            raise AnnotationError(f"{name}: ids are 1 to {MAX_OBJECT_ID}")
        if self.box is None and not self.points and not (corrects and self.background):
            raise AnnotationError(f"{name}: background points alone name nothing; add one on it")
        return PixelPrompts(
            self.object_id,
            None if self.box is None else _box(self.box, size, name),
            tuple(_point(point, size, name) for point in self.points),
            tuple(_point(point, size, name) for point in self.background),
        )


@dataclass(frozen=True)
class PixelPrompts:
    """``ObjectPrompts`` checked against their frame, with all coordinates in pixels."""

    object_id: int
    box: tuple[float, float, float, float] | None
    points: tuple[tuple[float, float], ...]
    background: tuple[tuple[float, float], ...]


def prompt_warnings(model: "SamModel", prompts: Sequence[ObjectPrompts]) -> list[str]:
    """Return warnings about prompts whose masks may be unreliable, one line each.

    The embedded model often takes a point alone for a part of the object.
    """
    if not model.takes_matching:
        return []
    return [
        f"object {prompt.object_id} is named by points alone, a weak prompt for the model "
        f"{model.info.name}: look at the mask, or give a box"
        for prompt in prompts
        if prompt.box is None
    ]


def _box(
    box: tuple[Coordinate, ...], size: tuple[int, int], name: str
) -> tuple[float, float, float, float]:
    height, width = size
    shown = f"{name}: box {_text(box)}"
    pixels = [value for value in box if not isinstance(value, Percent)]
    if pixels and all(0 <= value <= 1 for value in pixels):
        raise AnnotationError(f"{shown} is one pixel at most; {_UNITS}")
    x0, y0, x1, y1 = (
        round(value.value * side / 100) if isinstance(value, Percent) else value
        for value, side in zip(box, (width, height, width, height), strict=True)
    )
    if not (x0 < x1 and y0 < y1):
        raise AnnotationError(
            f"{shown} is empty; give x0,y0,x1,y1 with the upper left corner first"
        )
    if not (x0 >= 0 and y0 >= 0 and x1 <= width and y1 <= height):
        raise AnnotationError(f"{shown} reaches out of the frame, which is {width}x{height}")
    if not (_holds_a_centre(x0, x1) and _holds_a_centre(y0, y1)):
        raise AnnotationError(f"{shown} lies between pixels and contains none; {_UNITS}")
    return x0, y0, x1, y1


def _point(point: Point, size: tuple[int, int], name: str) -> tuple[float, float]:
    height, width = size
    shown = f"{name}: point {_text(point)}"
    pixels = [value for value in point if not isinstance(value, Percent)]
    if any(0 < value < 1 for value in pixels) and all(0 <= value <= 1 for value in pixels):
        raise AnnotationError(f"{shown} is in the corner pixel; {_UNITS}")
    x, y = (
        _share(value, side) if isinstance(value, Percent) else value
        for value, side in zip(point, (width, height), strict=True)
    )
    if not (0 <= x < width and 0 <= y < height):
        raise AnnotationError(
            f"{shown} is outside the frame, which is {width}x{height} "
            f"(x from 0 to {width - 1}, y from 0 to {height - 1})"
        )
    return x, y


def _share(percent: Percent, side: int) -> float:
    """Return a point's coordinate; 100 percent is the last pixel."""
    place = percent.value * side / 100
    return side - 1 if side - 1 < place <= side else place


def _holds_a_centre(low: float, high: float) -> bool:
    """Return whether the centre of a pixel lies inside an interval of pixel edges."""
    return math.floor(low + 0.5) + 0.5 < high


def _text(coordinates: tuple[Coordinate, ...]) -> str:
    return ",".join(
        str(value) if isinstance(value, Percent) else f"{value:g}" for value in coordinates
    )
