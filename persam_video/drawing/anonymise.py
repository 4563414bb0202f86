"""Hide objects, or everything but them, so that nobody can tell who or what they are."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from math import log2

import cv2
import numpy as np
from numpy.typing import NDArray

from persam_video.drawing.colours import Colour
from persam_video.drawing.coverage import Coverage, Spans, add_frame
from persam_video.drawing.overlay_style import OverlayStyle, WhenLost
from persam_video.drawing.regions import Region, regions_of
from persam_video.drawing.soft import blend, blur_of, soft_mask
from persam_video.drawing.style import Stage, Style
from persam_video.errors import ConfigError
from persam_video.masks.boxes import Box, grow
from persam_video.results import FrameResult

_REST = "-rest"

_MARGIN = 0.04  # around a mask, as a share of the object's longer side
_LEAST_MARGIN = 0.008  # as a share of the picture's shorter side
_LEAST_PIXELS = 2

_COARSENESS = 1 / 7  # mosaic cell or blur sigma, as a share of the object's longer side
_LEAST_COARSENESS = 1 / 40  # as a share of the picture's shorter side
_REST_COARSENESS = 1 / 12  # for "-rest", as a share of the picture's shorter side
_FINEST = 4  # pixels

_KEPT_MARGIN = 0.15  # around the last box, as a share of its longer side
_KEPT_GROWTH = 0.03  # added with each frame
_MOST_KEPT_MARGIN = 1.0

_SUDDEN = 0.5  # a mask that shrinks below this share of its area has lost a part of its object
_FORGETTING = 0.9  # decay of that area per frame, since objects do get smaller

_BLACK: Colour = (0, 0, 0)


class Cover(str, Enum):
    """How a region is hidden."""

    PIXELATE = "pixelate"
    BLUR = "blur"
    FILL = "fill"


def anonymise(value: str | None, style: OverlayStyle) -> list[Style]:
    """Return the style that hides the objects, or with ``-rest`` everything else.

    Raises:
        ConfigError: the value is not a known way of hiding.
    """
    name = Cover.PIXELATE.value if value is None else value
    covers = {cover.value: cover for cover in Cover}
    cover = covers.get(name.removesuffix(_REST))
    if cover is None:
        known = ", ".join((*covers, *(kind + _REST for kind in covers)))
        raise ConfigError(f"anonymise={value}: give one of {known}")
    if name.endswith(_REST):
        return [AnonymiseRest(cover, style.feather)]
    return [
        Anonymise(cover, when_lost=style.when_lost, colours=style.colours, feather=style.feather)
    ]


@dataclass(frozen=True)
class _Seen:
    """An object as it was when it was last seen whole.

    Attributes:
        box: its box at that time.
        area: area of its mask; one much smaller does not show the whole object.
        frames: frames since then; 0 while it is visible.
    """

    box: Box
    area: float
    frames: int = 0

    def kept(self, size: tuple[int, int]) -> Box:
        """Return the box, enlarged by how far the object may have moved since.

        Args:
            size: height and width of the frame.
        """
        share = min(_KEPT_MARGIN + _KEPT_GROWTH * self.frames, _MOST_KEPT_MARGIN)
        return grow(self.box, _margin(self.box, size, share), size) or self.box


class Anonymise(Style):
    """Hides all objects, with what they enclose and a margin, as masks may miss parts of them.

    An object that is lost, or whose mask suddenly shrinks, is hidden by its last box, too, with a
    margin that grows from frame to frame.
    """

    stage = Stage.HIDING

    def __init__(
        self,
        cover: Cover,
        *,
        when_lost: WhenLost = WhenLost.KEEP,
        colours: Mapping[int, Colour] | None = None,
        feather: float | None = None,
    ) -> None:
        """Start without objects.

        Args:
            cover: how they are hidden.
            when_lost: what is hidden while an object is lost.
            colours: for ``Cover.FILL``, by object; black for an object without one.
            feather: width in pixels of a soft edge around what is hidden; none when not given.
        """
        self._cover = cover
        self._keeps = when_lost is WhenLost.KEEP
        self._colours = colours or {}
        self._feather = feather
        self._seen: dict[int, _Seen] = {}
        self._drawn: Spans = []
        self._kept: dict[int, Spans] = {}
        self._lost: dict[int, Spans] = {}
        self._unknown: dict[int, Spans] = {}

    def observe(self, result: FrameResult) -> None:
        """Remember where the objects are, for frames in which they are lost."""
        regions = {region.object_id: region for region in regions_of(result)}
        for object_id, region in regions.items():
            before = self._seen.get(object_id)
            area = int(np.count_nonzero(region.mask(result.labels)))
            if before is None and self._drawn:
                self._unknown[object_id] = list(self._drawn)
            if before is not None and area < _SUDDEN * before.area:
                self._seen[object_id] = replace(
                    before, area=before.area * _FORGETTING, frames=before.frames + 1
                )
            else:
                self._seen[object_id] = _Seen(region.box, area)
        for object_id in self._seen.keys() - regions.keys():
            before = self._seen[object_id]
            self._seen[object_id] = replace(before, frames=before.frames + 1)

    def draw(self, rgb: NDArray[np.uint8], result: FrameResult) -> NDArray[np.uint8]:
        """Return the frame with the objects hidden; see ``Style.draw``."""
        size = rgb.shape[0], rgb.shape[1]
        hidden: NDArray[np.uint8] = rgb.copy(order="C")
        where = np.zeros(size, np.bool_)
        previous = self._drawn[-1][1] if self._drawn else None
        regions = {region.object_id: region for region in regions_of(result)}
        for region in regions.values():
            margin = _margin(region.box, size)
            mask = _without_holes(region.mask(result.labels, margin), margin)
            self._hide(rgb, hidden, where, region, mask, margin)
        for object_id, seen in self._seen.items():
            if not seen.frames:
                continue
            if self._keeps:
                box = seen.kept(size)
                everything = np.ones((box[3] - box[1], box[2] - box[0]), np.bool_)
                self._hide(rgb, hidden, where, Region(object_id, box), everything)
                add_frame(self._kept.setdefault(object_id, []), result.index, previous)
            elif object_id not in regions:
                add_frame(self._lost.setdefault(object_id, []), result.index, previous)
        add_frame(self._drawn, result.index, previous)
        for known in result.objects:
            if known.object_id not in self._seen:  # not found since tracking began
                add_frame(self._unknown.setdefault(known.object_id, []), result.index, previous)
        if not self._feather:
            return hidden
        return blend(hidden, rgb, np.maximum(where, soft_mask(where, self._feather)))

    @property
    def coverage(self) -> Coverage:
        """The frames drawn so far in which something may not be hidden."""
        return Coverage(self._kept, self._lost, self._unknown)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The frames to check, one line per object."""
        return self.coverage.warnings

    def _hide(
        self,
        rgb: NDArray[np.uint8],
        hidden: NDArray[np.uint8],
        where: NDArray[np.bool_],
        region: Region,
        mask: NDArray[np.bool_],
        margin: int = 0,
    ) -> None:
        """Hide the masked part of a region with its margin, and mark it in ``where``."""
        area = region.area(margin)
        colour = self._colours.get(region.object_id, _BLACK)
        coarseness = _coarseness(region.box, rgb.shape)
        cover = _covered(rgb, area, self._cover, coarseness, colour)
        cv2.copyTo(cover, mask.view(np.uint8), hidden[area])
        where[area] |= mask


@dataclass(frozen=True)
class AnonymiseRest(Style):
    """Hides everything but the objects, and the whole frame while all of them are lost.

    Attributes:
        cover: how everything else is hidden.
        feather: width in pixels of the edge, which lies within the objects; none when not given.
    """

    stage = Stage.HIDING
    cover: Cover
    feather: float | None = None

    def draw(self, rgb: NDArray[np.uint8], result: FrameResult) -> NDArray[np.uint8]:
        """Return the frame with the rest hidden; see ``Style.draw``."""
        rest = result.labels == 0
        coarseness = max(_FINEST, round(_REST_COARSENESS * min(rest.shape)))
        if self.cover is Cover.BLUR:
            hidden = blur_of(rgb, rest, coarseness)
        else:
            whole = slice(0, rgb.shape[0]), slice(0, rgb.shape[1])
            hidden = _covered(rgb, whole, self.cover, coarseness, _BLACK)
        return blend(hidden, rgb, np.maximum(rest, soft_mask(rest, self.feather or 0)))


def _margin(box: Box, size: tuple[int, int], share: float = _MARGIN) -> int:
    """Pixels around a box, a share of its longest side, in a frame of (height, width)."""
    longest = max(box[2] - box[0], box[3] - box[1])
    return max(_LEAST_PIXELS, round(_LEAST_MARGIN * min(size)), round(share * longest))


def _without_holes(mask: NDArray[np.bool_], margin: int) -> NDArray[np.bool_]:
    """Return the mask grown by some pixels on all sides, with its holes filled."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1, 2 * margin + 1))
    larger = cv2.dilate(mask.view(np.uint8), kernel)
    outlines, _ = cv2.findContours(larger, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(larger, outlines, -1, 1, cv2.FILLED).astype(np.bool_)


def _coarseness(box: Box, shape: tuple[int, ...]) -> int:
    """Size in pixels of the finest detail that stays visible of an object.

    It changes in steps, so that a mosaic does not flicker with every pixel of the box.
    """
    longest = max(box[2] - box[0], box[3] - box[1])
    wanted = max(_FINEST, _COARSENESS * longest, _LEAST_COARSENESS * min(shape[:2]))
    return round(2 ** (round(2 * log2(wanted)) / 2))


def _covered(
    rgb: NDArray[np.uint8],
    area: tuple[slice, slice],
    cover: Cover,
    coarseness: int,
    colour: Colour,
) -> NDArray[np.uint8]:
    """Return a part of the frame made unrecognisable."""
    if cover is Cover.FILL:
        flat = np.empty_like(rgb[area], order="C")
        flat[:] = colour
        return flat
    return (
        _mosaic(rgb, area, coarseness) if cover is Cover.PIXELATE else _blur(rgb, area, coarseness)
    )


def _mosaic(rgb: NDArray[np.uint8], area: tuple[slice, slice], cell: int) -> NDArray[np.uint8]:
    """Return a part of the frame as a mosaic whose cells stay in place as the part moves."""
    rows, columns = area
    height, width = rgb[area].shape[:2]
    top, left = rows.start // cell * cell, columns.start // cell * cell
    down, across = (
        -(-(rows.start + height - top) // cell),
        -(-(columns.start + width - left) // cell),
    )
    part = rgb[top : top + down * cell, left : left + across * cell]
    beyond = ((0, down * cell - part.shape[0]), (0, across * cell - part.shape[1]), (0, 0))
    part = np.pad(part, beyond, mode="edge")
    small = cv2.resize(part, (across, down), interpolation=cv2.INTER_AREA)
    cells = np.repeat(np.repeat(small, cell, axis=0), cell, axis=1)
    y, x = rows.start - top, columns.start - left
    return np.ascontiguousarray(cells[y : y + height, x : x + width], np.uint8)


def _blur(rgb: NDArray[np.uint8], area: tuple[slice, slice], sigma: int) -> NDArray[np.uint8]:
    """Return a part of the frame blurred together with its surroundings."""
    rows, columns = area
    height, width = rgb[area].shape[:2]
    top, left = max(0, rows.start - 3 * sigma), max(0, columns.start - 3 * sigma)
    part = rgb[top : rows.start + height + 3 * sigma, left : columns.start + width + 3 * sigma]
    blurred = blur_of(part, np.ones(part.shape[:2], np.bool_), sigma)
    y, x = rows.start - top, columns.start - left
    return np.ascontiguousarray(blurred[y : y + height, x : x + width])
