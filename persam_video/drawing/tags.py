"""Object names as small labels: crisp at any size, placed so that they do not collide."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from persam_video.drawing.colours import Colour, Palette, ink_on
from persam_video.drawing.overlay_style import OverlayStyle
from persam_video.drawing.regions import Region, regions_of
from persam_video.drawing.style import Stage, Style
from persam_video.masks.boxes import Box, area
from persam_video.results import FrameResult, ObjectState

_FONT_FRACTION = 0.028  # as a share of the picture's shorter side
_SMALLEST_FONT = 9  # pixels; smaller digits are illegible
_PANEL: Colour = (24, 24, 24)
_PANEL_OPACITY = 0.62
_PALE: Colour = (222, 222, 222)
_SUPERSAMPLING = 4
_LONGEST = 24  # characters
_NO_GLYPH = "\uffff"

_Placed: TypeAlias = tuple[NDArray[np.uint8], Box]
"""A sprite, RGBA of shape (h, w, 4), and where it goes."""


def labels(value: str | None, style: OverlayStyle) -> list[Style]:
    """Return the style that draws tags only."""
    return []


@dataclass(frozen=True)
class Tags(Style):
    """Writes the names of visible objects above them, and of lost ones in a corner.

    Attributes:
        palette: the colours.
        on_boxes: whether tags are placed at the boxes of objects instead of the masks.
    """

    stage = Stage.TAGS
    palette: Palette
    on_boxes: bool = False

    def reach(self, result: FrameResult) -> list[Box] | None:
        """Return the places of the tags."""
        return [place for _, place in self._placed(result)]

    def draw(self, rgb: NDArray[np.uint8], result: FrameResult) -> NDArray[np.uint8]:
        """Return the frame with tags; see ``Style.draw``."""
        for sprite, place in self._placed(result):
            _paste(rgb, sprite, place)
        return rgb

    def _placed(self, result: FrameResult) -> list[_Placed]:
        height, width = result.labels.shape
        anchors = {
            region.object_id: self._anchor(result.labels, region) for region in regions_of(result)
        }
        lost = [known.object_id for known in result.objects if known.state is ObjectState.LOST]
        names = {known.object_id: known.name for known in result.objects if known.name is not None}
        return _placed_tags((height, width), anchors, lost, names, self.palette)

    def _anchor(self, labels: NDArray[np.uint8], region: Region) -> tuple[int, int]:
        if self.on_boxes:
            x0, y0, x1, _ = region.box
            return (x0 + x1) // 2, y0
        return _crest(labels, region)


def _crest(labels: NDArray[np.uint8], region: Region) -> tuple[int, int]:
    """Topmost pixel (x, y) of an object, in the column nearest to its centroid.

    Unlike the middle of the box's top edge, it always lies on the object.
    """
    mask = region.mask(labels)
    columns = np.flatnonzero(mask.any(axis=0))
    centre = np.average(columns, weights=mask[:, columns].sum(axis=0))
    x = int(columns[np.abs(columns - centre).argmin()])
    return region.box[0] + x, region.box[1] + int(mask[:, x].argmax())


def draw_tags(
    rgb: NDArray[np.uint8],
    anchors: Mapping[int, tuple[int, int]],
    lost: Sequence[int] = (),
    names: Mapping[int, str] | None = None,
    palette: Palette | None = None,
) -> None:
    """Draw the name of every visible object above it, and a strip with the lost ones, in place.

    An object without a name, or with one that the font lacks characters for, is shown by its id.

    Args:
        rgb: uint8 array of shape (H, W, 3).
        anchors: for each visible object, by id, the pixel (x, y) above which its tag goes.
        lost: ids of objects that are being searched for; shown in the lower left corner.
        names: names of objects, by id, where they have one.
        palette: the colours; the default ones when not given.
    """
    placed = _placed_tags((rgb.shape[0], rgb.shape[1]), anchors, lost, names or {}, palette)
    for sprite, place in placed:
        _paste(rgb, sprite, place)


def _placed_tags(
    shape: tuple[int, int],
    anchors: Mapping[int, tuple[int, int]],
    lost: Sequence[int],
    names: Mapping[int, str],
    palette: Palette | None,
) -> list[_Placed]:
    """Return the tags of a picture of shape (H, W) and their places; see ``draw_tags``."""
    texts, palette = _texts(names), palette or Palette()
    height, width = shape
    size = max(_SMALLEST_FONT, round(_FONT_FRACTION * min(height, width)))
    margin = max(2, size // 2)
    placed: list[_Placed] = []
    if lost:
        called = tuple(
            (texts.get(object_id, str(object_id)), palette.colour(object_id)) for object_id in lost
        )
        strip = lost_strip(called, size, width - 2 * margin)
        placed.append((strip, _clamped(margin, height - margin - strip.shape[0], strip, shape)))
    for object_id, anchor in anchors.items():
        colour = palette.colour(object_id)
        tag = pill(texts.get(object_id, str(object_id)), size, ink_on(colour), colour)
        placed.append((tag, _free_place(tag, anchor, [place for _, place in placed], shape)))
    return placed


def _texts(names: Mapping[int, str]) -> dict[int, str]:
    """Texts of the tags of named objects, with the id where two names look the same."""
    short = {
        i: name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
        for i, name in names.items()
        if _can_write(name)
    }
    counts = Counter(short.values())
    return {i: name if counts[name] == 1 else f"{name} {i}" for i, name in short.items()}


@lru_cache(maxsize=1024)
def _can_write(name: str) -> bool:
    """Return whether the font has all characters of a name."""
    font = ImageFont.load_default(_SMALLEST_FONT)
    missing = bytes(font.getmask(_NO_GLYPH))
    return bool(name.strip()) and all(
        bytes(font.getmask(character)) != missing for character in name
    )


def draw_caption(rgb: NDArray[np.uint8], text: str) -> None:
    """Draw a line of text on a dark label in the upper left corner, in place.

    Args:
        rgb: uint8 array of shape (H, W, 3).
        text: a short text; cut off where it does not fit into the width.
    """
    height, width = rgb.shape[:2]
    size = max(_SMALLEST_FONT, round(_FONT_FRACTION * min(height, width)))
    margin = max(2, size // 2)
    sprite = pill(text, size, _PALE, _PANEL)
    _paste(rgb, sprite, (margin, margin, margin + sprite.shape[1], margin + sprite.shape[0]))


@lru_cache(maxsize=1024)
def pill(text: str, size: int, ink: Colour, fill: Colour | None) -> NDArray[np.uint8]:
    """Render text on a rounded label as an RGBA uint8 array.

    Args:
        text: a short text of one line.
        size: font size in pixels.
        ink: RGB colour of the text.
        fill: RGB colour of the label; ``None`` leaves it transparent.

    Returns:
        (h, w, 4), as large as the text needs; colours are not premultiplied by alpha.
    """
    font = ImageFont.load_default(size)
    left, top, right, bottom = font.getbbox(text)
    pad_y = max(2, round(0.28 * size))
    pad_x = max(3, round(0.4 * size))
    height = round(bottom - top) + 2 * pad_y
    width = max(height, round(right - left) + 2 * pad_x)
    text_mask = Image.new("L", (width, height))
    # Whole pixels keep the strokes of small digits sharp.
    origin = (round((width - right - left) / 2), pad_y - round(top))
    ImageDraw.Draw(text_mask).text(origin, text, fill=255, font=font)
    if fill is None:
        label = Image.new("RGB", (width, height), ink)
        label.putalpha(text_mask)
    else:
        label = Image.new("RGB", (width, height), fill)
        label.paste(ink, mask=text_mask)
        label.putalpha(_rounded(height, width, radius=0.3 * height))
    return np.asarray(label)


@lru_cache(maxsize=64)
def lost_strip(lost: tuple[tuple[str, Colour], ...], size: int, width: int) -> NDArray[np.uint8]:
    """Render the panel that names the lost objects in dimmed colours, as an RGBA uint8 array.

    Those that do not fit are counted in a last label, "+N".

    Args:
        lost: texts and colours of the lost objects, in the order in which they are named.
        size: font size in pixels.
        width: greatest width of the panel, in pixels.

    Returns:
        (h, w, 4), as from ``pill``; w may exceed ``width`` where not even "+N" fits.
    """
    gap = max(2, size // 4)
    labels = [pill("lost", size, _PALE, None)]
    used = 2 * gap + labels[0].shape[1]
    for done, (text, colour) in enumerate(lost):
        label = pill(text, size, _PALE, _dimmed(colour))
        rest = pill(f"+{len(lost) - done}", size, _PALE, None)
        room = width - used - gap - label.shape[1]
        if room < (0 if done == len(lost) - 1 else gap + rest.shape[1]):
            labels.append(rest)
            break
        labels.append(label)
        used += gap + label.shape[1]
    height = labels[0].shape[0] + 2 * gap
    total = sum(label.shape[1] + gap for label in labels) + gap
    opacity = _rounded(height, total, radius=0.3 * height).point(lambda a: a * _PANEL_OPACITY)
    strip = Image.new("RGB", (total, height), _PANEL)
    strip.putalpha(opacity)
    x = gap
    for label in labels:
        y = (height - label.shape[0]) // 2
        strip.alpha_composite(Image.fromarray(label), (x, y))
        x += label.shape[1] + gap
    return np.asarray(strip)


def _dimmed(colour: Colour) -> Colour:
    """The colour, half blended into the panel."""
    red, green, blue = ((c + p) // 2 for c, p in zip(colour, _PANEL, strict=True))
    return red, green, blue


def _rounded(height: int, width: int, radius: float) -> Image.Image:
    """Coverage (0 to 255) of a rounded rectangle that fills (height, width)."""
    big = Image.new("L", (width * _SUPERSAMPLING, height * _SUPERSAMPLING))
    corner = (big.width - 1, big.height - 1)
    ImageDraw.Draw(big).rounded_rectangle((0, 0, *corner), radius * _SUPERSAMPLING, fill=255)
    return big.resize((width, height), Image.Resampling.BOX)


def _free_place(
    tag: NDArray[np.uint8], anchor: tuple[int, int], taken: Sequence[Box], shape: tuple[int, int]
) -> Box:
    """Find the free place in the picture that is nearest to "centred above the anchor".

    If there is none nearby, the place with the least overlap.
    """
    height, width = tag.shape[:2]
    x = anchor[0] - width // 2
    y = anchor[1] - height - max(1, height // 6)
    steps = [(dx, dy) for dy in range(-4, 5) for dx in range(-4, 5)]
    steps.sort(key=lambda step: (step[0] * width) ** 2 + (step[1] * height) ** 2)
    places = [_clamped(x + dx * (width + 1), y + dy * (height + 1), tag, shape) for dx, dy in steps]
    free = next((place for place in places if _overlap(place, taken) == 0), None)
    return free or min(places, key=lambda place: _overlap(place, taken))


def _clamped(x: int, y: int, sprite: NDArray[np.uint8], shape: tuple[int, int]) -> Box:
    """The sprite's box at (x, y), moved into a picture of ``shape`` (H, W)."""
    height, width = sprite.shape[:2]
    x = max(0, min(x, shape[1] - width))
    y = max(0, min(y, shape[0] - height))
    return x, y, x + width, y + height


def _overlap(box: Box, others: Sequence[Box]) -> int:
    """Pixels that ``box`` shares with other boxes, counted once for each of them."""
    return sum(
        area(
            (
                max(box[0], other[0]),
                max(box[1], other[1]),
                min(box[2], other[2]),
                min(box[3], other[3]),
            )
        )
        for other in others
    )


def _paste(rgb: NDArray[np.uint8], sprite: NDArray[np.uint8], place: Box) -> None:
    """Blend an RGBA sprite into the picture at ``place``, cropped to the picture."""
    x0, y0, x1, y1 = place
    under = rgb[y0:y1, x0:x1]
    over = sprite[: under.shape[0], : under.shape[1]].astype(np.float32)
    opacity = over[..., 3:] / 255
    under[:] = np.rint(under + (over[..., :3] - under) * opacity)
