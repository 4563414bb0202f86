"""The paths of objects."""

import math
from collections import defaultdict, deque
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from persam_video.drawing.colours import Palette
from persam_video.drawing.outlines import line_width
from persam_video.drawing.overlay_style import OverlayStyle
from persam_video.drawing.regions import Region, regions_of
from persam_video.drawing.style import Style
from persam_video.errors import ConfigError
from persam_video.results import FrameResult

_USUAL = 2.0  # seconds
_WIDTH = 4.0  # pixels at a short side of 480
_THINNEST = 0.3  # as a share of that, at the tail
_CASING = 1.5  # pixels at a short side of 480, on both sides
_BLACK = (0, 0, 0)
_SHIFT = 4  # OpenCV's coordinates are whole numbers, here of sixteenths of a pixel


def trail(value: str | None, style: OverlayStyle) -> list[Style]:
    """Return the style that draws trails; the value is their length in seconds.

    Raises:
        ConfigError: the value is not a number above 0.
    """
    try:
        seconds = _USUAL if value is None else float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise ConfigError(f"trail={value}: give the length of the trail in seconds, such as 3")
    return [Trail(seconds, style.palette)]


@dataclass(frozen=True)
class _Step:
    """A line from one centre (x, y) to the next, reached at a time in seconds."""

    time: float
    begin: tuple[float, float]
    end: tuple[float, float]


class Trail(Style):
    """Draws the path of every object's centroid over the last seconds.

    A trail ends where its object was lost.
    """

    def __init__(self, seconds: float, palette: Palette) -> None:
        """Start without trails.

        Args:
            seconds: length of the trails.
            palette: the colours.
        """
        self._seconds = seconds
        self._palette = palette
        self._steps: dict[int, deque[_Step]] = defaultdict(deque)
        self._centres: dict[int, tuple[float, float]] = {}

    def observe(self, result: FrameResult) -> None:
        """Add the centres of a frame, and drop those that are too old."""
        centres = {r.object_id: _centre(result.labels, r) for r in regions_of(result)}
        for object_id, centre in centres.items():
            before = self._centres.get(object_id, centre)
            self._steps[object_id].append(_Step(result.time, before, centre))
        self._centres = centres
        for steps in self._steps.values():
            while steps and steps[0].time < result.time - self._seconds:
                steps.popleft()

    def draw(self, rgb: NDArray[np.uint8], result: FrameResult) -> NDArray[np.uint8]:
        """Return the frame with trails; see ``Style.draw``."""
        width, casing = line_width(_WIDTH, rgb.shape), line_width(_CASING, rgb.shape)
        for object_id, steps in self._steps.items():
            colour = self._palette.colour(object_id)
            # the whole casing first, so that it does not cut the line at the joints
            for tint, extra in ((_BLACK, 2 * casing), (colour, 0.0)):
                for step in steps:
                    age = (result.time - step.time) / self._seconds
                    thickness = (width + extra) * (1 - (1 - _THINNEST) * age)
                    cv2.line(
                        rgb,
                        _fixed_point(step.begin),
                        _fixed_point(step.end),
                        tint,
                        max(1, round(thickness)),
                        cv2.LINE_AA,
                        _SHIFT,
                    )
        return rgb


def _centre(labels: NDArray[np.uint8], region: Region) -> tuple[float, float]:
    """The centroid (x, y) of an object."""
    moments = cv2.moments(region.mask(labels).view(np.uint8), binaryImage=True)
    area = moments["m00"]
    return region.box[0] + moments["m10"] / area, region.box[1] + moments["m01"] / area


def _fixed_point(point: tuple[float, float]) -> tuple[int, int]:
    return round(point[0] * 2**_SHIFT), round(point[1] * 2**_SHIFT)
