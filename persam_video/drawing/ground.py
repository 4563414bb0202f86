"""Backgrounds: darkened and grey, blurred, or replaced."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from persam_video.drawing.colours import Colour, parse_colour
from persam_video.drawing.outlines import contour
from persam_video.drawing.overlay_style import OverlayStyle
from persam_video.drawing.soft import blend, blur_of, objects_share
from persam_video.drawing.style import Stage, Style
from persam_video.errors import ConfigError
from persam_video.results import FrameResult
from persam_video.video.frame import Frame
from persam_video.video.stream import FrameStream

_DARKNESS = 0.28  # share of its brightness that the background keeps
_GREYNESS = 0.7
_GREEN_SCREEN = "#00ff00"
_BLUR = 0.03  # sigma as a share of the picture's shorter side


def spotlight(value: str | None, style: OverlayStyle) -> list[Style]:
    """Return the style with a dark background, and contours."""
    return [DimBackground(style.feather), *contour(None, style)]


def blur(value: str | None, style: OverlayStyle) -> list[Style]:
    """Return the style that blurs the background."""
    return [BlurBackground(style.feather)]


def background(value: str | None, style: OverlayStyle) -> list[Style]:
    """Return the style that replaces the background by a colour, a picture or a video.

    Args:
        value: the colour or the file; by default green, which other programs can key out.
        style: gives the width of the edges.

    Raises:
        ConfigError: the value is neither a colour nor a file.
        SourceError: the file cannot be read.
    """
    value = value or _GREEN_SCREEN
    if Path(value).is_file():
        with FrameStream(value, prefetch=0):  # fails now if unreadable, not after tracking
            return [FilmBackground(Path(value), style.feather)]
    try:
        return [ColourBackground(parse_colour(value), style.feather)]
    except ConfigError:
        raise ConfigError(
            f"background={value} is neither a colour nor a file; give one, such as #00ff00 or "
            "beach.jpg"
        ) from None


@dataclass(frozen=True)
class DimBackground(Style):
    """Makes the background dark and nearly grey, as if under a spotlight.

    Attributes:
        feather: width of the objects' edges; see ``objects_share``.
    """

    stage = Stage.GROUND
    feather: float | None = None

    def draw(self, rgb: NDArray[np.uint8], result: FrameResult) -> NDArray[np.uint8]:
        """Return the frame with a dark background; see ``Style.draw``."""
        grey = cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        keep = _DARKNESS * (1 - _GREYNESS)
        dimmed = cv2.addWeighted(rgb, keep, grey, _DARKNESS * _GREYNESS, 0)
        return blend(rgb, np.asarray(dimmed, np.uint8), objects_share(result, self.feather))


@dataclass(frozen=True)
class BlurBackground(Style):
    """Blurs the background.

    The blur leaves the objects' own colours out, so that they have no halo.

    Attributes:
        feather: width of the objects' edges; see ``objects_share``.
    """

    stage = Stage.GROUND
    feather: float | None = None

    def draw(self, rgb: NDArray[np.uint8], result: FrameResult) -> NDArray[np.uint8]:
        """Return the frame with a blurred background; see ``Style.draw``."""
        background = result.labels == 0
        blurred = blur_of(rgb, background, _BLUR * min(background.shape))
        return blend(rgb, blurred, objects_share(result, self.feather))


@dataclass(frozen=True)
class ColourBackground(Style):
    """Replaces the background by one colour.

    Attributes:
        colour: RGB, 0 to 255.
        feather: width of the objects' edges; see ``objects_share``.
    """

    stage = Stage.GROUND
    colour: Colour
    feather: float | None = None

    def draw(self, rgb: NDArray[np.uint8], result: FrameResult) -> NDArray[np.uint8]:
        """Return the objects in front of that colour; see ``Style.draw``."""
        back = np.empty_like(rgb, order="C")
        back[:] = self.colour
        return blend(rgb, back, objects_share(result, self.feather))


class FilmBackground(Style):
    """Replaces the background by a picture, or by a video that loops.

    It is scaled to fill the frame and cropped. A video plays at its own speed.
    """

    stage = Stage.GROUND

    def __init__(self, path: Path, feather: float | None = None) -> None:
        """Set up; the file is opened with the first frame.

        Args:
            path: the picture or the video.
            feather: width of the objects' edges; see ``objects_share``.
        """
        self._path = path
        self._feather = feather
        self._film: _Film | None = None

    def draw(self, rgb: NDArray[np.uint8], result: FrameResult) -> NDArray[np.uint8]:
        """Return the objects in front of the background at that time; see ``Style.draw``.

        Raises:
            SourceError: the file cannot be read.
        """
        if self._film is None:
            self._film = _Film(self._path, result.time)
        back = self._film.at(result.time, (rgb.shape[1], rgb.shape[0]))
        return blend(rgb, back, objects_share(result, self._feather))

    @property
    def files(self) -> tuple[Path, ...]:
        """The picture or the video."""
        return (self._path,)

    def close(self) -> None:
        """Close the file."""
        if self._film is not None:
            self._film.close()


class _Film:
    """A picture or a video, read at increasing times."""

    _frames: FrameStream
    _current: Frame
    _following: Frame | None
    _is_still: bool
    _step: float
    _fitted: NDArray[np.uint8] | None

    def __init__(self, path: Path, begin: float) -> None:
        """Open it, to start playing at ``begin``, in seconds."""
        self._path = path
        self._begin = begin
        self._open()

    def at(self, time: float, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Return the picture at a time in seconds, scaled to fill (width, height)."""
        while self._is_over(time):
            if self._following is None:
                self._begin += self._current.time + self._step
                self._open()
            else:
                self._step = self._following.time - self._current.time
                self._current, self._following = self._following, next(self._frames, None)
                self._fitted = None
        if self._fitted is None:
            self._fitted = _filling(self._current.rgb, size)
        return self._fitted

    def close(self) -> None:
        """Close the file."""
        self._frames.close()

    def _open(self) -> None:
        self._frames = FrameStream(self._path)
        self._current = next(self._frames)
        self._following = next(self._frames, None)
        self._is_still = self._following is None
        self._step = 0.0
        self._fitted = None

    def _is_over(self, time: float) -> bool:
        """Whether the current picture has ended by then."""
        if self._following is not None:
            return self._begin + self._following.time <= time
        return not self._is_still and self._begin + self._current.time + self._step <= time


def _filling(rgb: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Scale a picture until it fills (width, height), and return its middle."""
    height, width = rgb.shape[:2]
    scale = max(size[0] / width, size[1] / height)
    wide, high = max(size[0], round(width * scale)), max(size[1], round(height * scale))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    large = cv2.resize(rgb, (wide, high), interpolation=way)
    x, y = (wide - size[0]) // 2, (high - size[1]) // 2
    return np.ascontiguousarray(large[y : y + size[1], x : x + size[0]], np.uint8)
