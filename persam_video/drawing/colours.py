"""One colour per object id, to be drawn over video and in plots."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor

from persam_video.errors import ConfigError
from persam_video.masks.palette import davis_palette

Colour: TypeAlias = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

# Saturation and value to try for every id, the most vivid first.
_TONES = [(s, v) for s in (0.75, 0.6, 0.45, 0.95, 0.3) for v in (1.0, 0.88, 0.78, 0.66)]
_LIGHTNESS = (48.0, 88.0)  # CIELAB L*: neither too dark nor glaring
_DISTINCT = 22.0  # CIE76 distance at which two flat areas are told apart at a glance


@lru_cache(maxsize=1)
def overlay_palette() -> NDArray[np.uint8]:
    """Return the colours of all ids as a read-only uint8 array of shape (256, 3), RGB.

    The DAVIS palette is made for files: most of its colours are dark and many differ only in
    brightness, which shows badly on video. Every id keeps its DAVIS hue here, and gets the most
    vivid tone of middle lightness that is clearly different from the colours of all lower ids
    (or the most different one, where none is).
    """
    davis = davis_palette().astype(np.float32)[None] / 255
    hues = cv2.cvtColor(davis, cv2.COLOR_RGB2HSV)[0]
    palette = np.zeros((256, 3), np.uint8)
    taken = np.zeros((256, 3), np.float32)  # CIELAB
    for object_id in range(1, 256):
        hue, saturation, _ = hues[object_id]
        tones = [(hue, s if saturation > 0 else 0.0, v) for s, v in _TONES]
        rgb = cv2.cvtColor(np.array([tones], np.float32), cv2.COLOR_HSV2RGB)
        lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)[0]
        distance = np.full(len(lab), np.inf)
        if object_id > 1:
            offsets = lab[:, None] - taken[None, 1:object_id]
            distance = np.linalg.norm(offsets, axis=2).min(axis=1)
        legible = (lab[:, 0] >= _LIGHTNESS[0]) & (lab[:, 0] <= _LIGHTNESS[1])
        distinct = np.flatnonzero(legible & (distance >= _DISTINCT))
        best = distinct[0] if len(distinct) else np.where(legible, distance, -1.0).argmax()
        taken[object_id] = lab[best]
        palette[object_id] = np.rint(rgb[0, best] * 255)
    palette.flags.writeable = False
    return palette


def overlay_colour(object_id: int) -> Colour:
    """Return the RGB colour (0 to 255) in which one object is drawn."""
    red, green, blue = overlay_palette()[object_id].tolist()
    return red, green, blue


def ink_on(colour: Colour) -> Colour:
    """Return near-black or white, whichever reads better on ``colour`` (RGB)."""
    red, green, blue = ((channel / 255) ** 2.2 for channel in colour)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return (16, 16, 16) if luminance > 0.28 else (255, 255, 255)


@dataclass(frozen=True)
class Palette:
    """The colours in which objects are drawn.

    Attributes:
        own: RGB, 0 to 255, by object id; other objects get their default colour.
    """

    own: Mapping[int, Colour] = field(default_factory=dict)

    def colour(self, object_id: int) -> Colour:
        """Return the RGB colour (0 to 255) of one object."""
        return self.own.get(object_id) or overlay_colour(object_id)


def parse_colour(text: str) -> Colour:
    """Parse an RGB colour (0 to 255) from text such as ``#ff8800`` or ``orange``.

    Raises:
        ConfigError: the text is not a colour.
    """
    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError:
        raise ConfigError(
            f"{text!r} is not a colour: give a name, or a code such as #ff8800"
        ) from None
    return red, green, blue
