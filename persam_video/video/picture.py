"""Pictures whose colours are converted only where they are needed.

Most of a large frame is never looked at in RGB: the tracker sees the surroundings of its objects,
and what is drawn changes little more. Converting all of it there and back would take longer than
tracking.
"""

from abc import ABC, abstractmethod
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

_SAMPLES = 6
"""Pixels along each side of an area that are enough for its mean."""

Part: TypeAlias = tuple[int, int, int, int]
"""A part of a picture, (x0, y0, x1, y1) in pixels, x1 and y1 exclusive."""


class Picture(ABC):
    """A decoded picture that is not RGB yet; it never changes."""

    @property
    @abstractmethod
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""

    @abstractmethod
    def rgb(self, part: Part | None = None) -> NDArray[np.uint8]:
        """Return a part of the picture, or all of it, as an (H, W, 3) array."""

    @abstractmethod
    def small(self, width: int, height: int) -> NDArray[np.uint8]:
        """Return a small picture of all of it, each pixel the mean of an area."""

    @abstractmethod
    def canvas(self, part: Part) -> NDArray[np.uint8]:
        """Return an array (H, W, 3) of the whole picture's size, to draw on in a part of it.

        What it holds outside the part is undefined.
        """

    @abstractmethod
    def painted(self, canvas: NDArray[np.uint8], part: Part) -> "Picture":
        """Return the picture with what was drawn in a part of its canvas."""


Pixels: TypeAlias = NDArray[np.uint8] | Picture
"""A picture: uint8 RGB (H, W, 3), or one that is not RGB yet."""


def size_of(pixels: Pixels) -> tuple[int, int]:
    """Return height and width of a picture."""
    return pixels.size if isinstance(pixels, Picture) else (pixels.shape[0], pixels.shape[1])


def rgb_of(pixels: Pixels) -> NDArray[np.uint8]:
    """Return all of a picture as uint8 RGB, of an array without a copy."""
    return pixels.rgb() if isinstance(pixels, Picture) else pixels


def part_of(pixels: Pixels, part: Part) -> NDArray[np.uint8]:
    """Return a part of a picture as uint8 RGB, of an array without a copy."""
    if isinstance(pixels, Picture):
        return pixels.rgb(part)
    x0, y0, x1, y1 = part
    return pixels[y0:y1, x0:x1]


def small_of(pixels: Pixels, width: int, height: int) -> NDArray[np.uint8]:
    """Return a small picture (height, width, 3) of another one, each pixel the mean of an area."""
    if isinstance(pixels, Picture):
        return pixels.small(width, height)
    return area_means(pixels, width, height)


def area_means(values: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Return the means of areas of an array (H, W) or (H, W, 3): (height, width) or with 3."""
    rows, columns = values.shape[:2]
    step = max(1, min(rows // (_SAMPLES * height), columns // (_SAMPLES * width)))
    some = np.ascontiguousarray(values[::step, ::step])
    return np.asarray(cv2.resize(some, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
