"""A camera that follows one object through a video of fixed size."""

import math
import re
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from persam_video.drawing.overlay_style import OverlayStyle
from persam_video.drawing.style import Stage, Style
from persam_video.errors import ConfigError
from persam_video.masks.boxes import Box
from persam_video.results import FrameResult

_LAG = 0.35  # seconds that the camera takes to reach its object
_PORTRAIT = "9:16"
_LARGEST = 8192  # pixels of a side, as of the largest pictures of H.264
_SHAPE = re.compile(r"(\d{1,5})([:x])(\d{1,5})")


def follow(value: str | None, style: OverlayStyle) -> list[Style]:
    """Return a camera for a shape such as 9:16, or for a size in pixels such as 640x360.

    Raises:
        ConfigError: the value is neither of them.
    """
    match = _SHAPE.fullmatch(value or _PORTRAIT)
    if match is None or not (int(match[1]) and int(match[3])):
        raise ConfigError(
            f"follow={value}: give a shape such as 9:16, or a size in pixels such as 640x360"
        )
    width, height = int(match[1]), int(match[3])
    if match[2] == "x":
        if max(width, height) > _LARGEST:
            raise ConfigError(f"follow={value}: a side has at most {_LARGEST} pixels")
        return [Follow(width, height, is_size=True, object_id=style.follow)]
    return [Follow(width / float(style.pixel_aspect), height, object_id=style.follow)]


@dataclass
class _Axis:
    """One coordinate of the camera's centre, in pixels."""

    place: float
    speed: float = 0.0

    def approach(self, goal: float, seconds: float) -> None:
        """Approach a goal like a critically damped spring, without overshooting."""
        decay = 2 / _LAG
        offset = self.place - goal
        pull = (self.speed + decay * offset) * seconds
        fade = math.exp(-decay * seconds)
        self.speed = (self.speed - decay * pull) * fade
        self.place = goal + (offset + pull) * fade

    def stay(self, low: float, high: float) -> None:
        """Clamp the position to limits."""
        if not low <= self.place <= high:
            self.place, self.speed = min(max(self.place, low), high), 0.0


class Follow(Style):
    """Crops the picture to a part of fixed size that keeps one object in view.

    The camera moves smoothly and never leaves the frame. It stays in the middle until the object
    first appears, and stands still while the object is lost.
    """

    stage = Stage.CAMERA

    def __init__(
        self, width: float, height: int, *, is_size: bool = False, object_id: int | None = None
    ) -> None:
        """Start in the middle.

        Args:
            width: width of the crop, or the first number of its aspect ratio.
            height: its height, or the second number.
            is_size: whether they are pixels of the finished picture. If so, the crop has that size,
                or where the frame is smaller it is the largest of that shape, enlarged. Otherwise
                it is the largest crop of that shape.
            object_id: the object to follow; by default the first that is visible, and of several
                the one with the lowest id.
        """
        self._shape = width, height
        self._is_size = is_size
        self._object_id = object_id
        self._axes: tuple[_Axis, _Axis] | None = None
        self._box: Box | None = None
        self._time = 0.0

    def observe(self, result: FrameResult) -> None:
        """Move the camera to the next frame."""
        boxes = result.visible
        if self._object_id is None:
            self._object_id = next(iter(boxes), None)
        box = boxes.get(self._object_id or 0, self._box)
        if box is None:
            return
        height, width = result.labels.shape
        if self._axes is None:
            self._axes = _Axis((box[0] + box[2]) / 2), _Axis((box[1] + box[3]) / 2)
            self._time = result.time
        seconds, self._time = max(0.0, result.time - self._time), result.time
        lengths = zip(self._axes, (width, height), self._part(width, height), strict=True)
        for number, (axis, length, part) in enumerate(lengths):
            begin, end = box[number], box[number + 2]
            low, high = part / 2, length - part / 2
            axis.approach(min(max((begin + end) / 2, low), high), seconds)
            if end - begin <= part:
                axis.stay(end - part / 2, begin + part / 2)
            axis.stay(low, high)
        self._box = box

    def draw(self, rgb: NDArray[np.uint8], result: FrameResult) -> NDArray[np.uint8]:
        """Return the part that is in view; see ``Style.draw``."""
        height, width = rgb.shape[:2]
        wide, high = self._part(width, height)
        middle = (width / 2, height / 2)
        if self._axes is not None:
            middle = self._axes[0].place, self._axes[1].place
        x = min(max(math.floor(middle[0] - wide / 2 + 0.5), 0), width - wide)
        y = min(max(math.floor(middle[1] - high / 2 + 0.5), 0), height - high)
        part = np.ascontiguousarray(rgb[y : y + high, x : x + wide])
        size = self.size(width, height)
        if size == (wide, high):
            return part
        return np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_CUBIC), np.uint8)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return the (width, height) of the picture for a frame of this size."""
        if not self._is_size:
            return self._part(width, height)
        return int(self._shape[0]), self._shape[1]

    @property
    def warnings(self) -> tuple[str, ...]:
        """Say so if there was nothing to follow."""
        if self._box is not None:
            return ()
        what = "no object was" if self._object_id is None else f"object {self._object_id} was never"
        return (f"{what} visible, so that there was nothing to follow",)

    def _part(self, width: int, height: int) -> tuple[int, int]:
        """The (width, height) in pixels of the part of a frame that is shown."""
        wide, high = self._shape
        scale = min(width / wide, height / high)
        if self._is_size and scale >= 1:
            return int(wide), high
        # codecs want even sizes
        return _even(min(wide * scale, width)), _even(min(high * scale, height))


def _even(length: float) -> int:
    """Round a length down to an even number of pixels, or to one pixel."""
    return max(1, math.floor(length + 1e-6) // 2 * 2)
