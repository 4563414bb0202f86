"""Converting the pixels of a mask file to labels.

The labels here are as in a file: 0 is background, 1 to 254 are objects, and 255 is void or the only
object; ``persam_video.masks.annotation`` tells these two apart.
"""

from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from persam_video.errors import AnnotationError
from persam_video.masks.counts import counts_of_values
from persam_video.masks.labels import MAX_OBJECT_ID, VOID
from persam_video.masks.palette import colour_rank, davis_palette

# Blending gives several levels at once, while an object may well be a thin strip between a lower
# and a higher label.
_MIN_BLENDED_LEVELS = 3
_BLENDED_EDGES = (
    "as antialiasing, smooth resizing or JPEG leave them; save the mask with antialiasing off as "
    "PNG and resize it with nearest neighbour only"
)


def label_values(
    image: Image.Image, name: str, *, number_colours: bool = True
) -> NDArray[np.uint8]:
    """Return the labels that the pixels of a mask encode.

    Args:
        image: decoded image of any mode.
        name: what to call it in messages.
        number_colours: whether colours outside the palette are objects, numbered in their
            order; otherwise they are rejected.

    Returns:
        uint8 array of shape (H, W).

    Raises:
        AnnotationError: the pixels do not identify the objects without ambiguity.
    """
    if image.format == "JPEG":
        return _from_jpeg(image, name)
    if image.mode == "1":
        return np.array(image).astype(np.uint8)
    if image.mode == "P":
        return _from_indexed(image, name)
    if image.mode in ("L", "F") or image.mode.startswith("I"):
        return _from_grey(np.array(image), name)
    return _from_colours(image, name, number_colours)


def _from_indexed(image: Image.Image, name: str) -> NDArray[np.uint8]:
    labels = np.array(image, np.uint8)
    palette = np.zeros((256, 3), np.uint8)
    entries = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    palette[: len(entries)] = entries
    used = np.flatnonzero(counts_of_values(labels))

    black = [index for index in used if index and not palette[index].any()]
    if black and palette[0].any() and not _is_transparent(image, 0):
        raise AnnotationError(
            f"{name}: draws index 0 in colour and index {black[0]} in black, so that its "
            "background is in doubt; save it with index 0 for the background"
        )
    if all(_palette_ids().get(_rgb(palette[index])) == index for index in used):
        _check_edges(labels, name)
    else:
        _check_edges(_by_brightness(palette)[labels], name)
    return labels


def _is_transparent(image: Image.Image, index: int) -> bool:
    alpha = image.info.get("transparency")
    if isinstance(alpha, bytes):
        return index < len(alpha) and alpha[index] == 0
    return bool(alpha == index)


def _from_grey(values: NDArray[Any], name: str) -> NDArray[np.uint8]:
    if not np.isfinite(values).all() or (values != np.rint(values)).any():
        raise AnnotationError(f"{name}: has values that are not whole numbers; save 8-bit labels")
    if values.max() > VOID and not (values % 257).any():
        values = values // 257  # 8-bit labels, spread over 16 bits
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > VOID:
        raise AnnotationError(
            f"{name}: has grey values from {low} to {high}; save labels 0 to {VOID} "
            "with antialiasing off"
        )
    labels = values.astype(np.uint8)
    _check_edges(labels, name)
    return labels


def _from_jpeg(image: Image.Image, name: str) -> NDArray[np.uint8]:
    labels = np.array(image.convert("L"))
    if not np.isin(labels, (0, VOID)).all():
        # However little the compression changed, the value next to the right one is another label.
        raise AnnotationError(
            f"{name}: is a JPEG that is not purely black and white, and JPEG changes labels; "
            "save the mask as PNG"
        )
    return labels


def _from_colours(image: Image.Image, name: str, number_colours: bool) -> NDArray[np.uint8]:
    rgb = np.array(image.convert("RGB"), np.int32)
    packed = rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2]
    if "A" in image.getbands() or "transparency" in image.info:
        alpha = np.array(image.convert("RGBA").getchannel("A"))
        _check_alpha(alpha, packed, name)
        packed[alpha == 0] = 0
    codes, places = np.unique(packed, return_inverse=True)
    places = places.reshape(packed.shape)
    if np.count_nonzero(codes) > MAX_OBJECT_ID + 1:
        raise AnnotationError(
            f"{name}: has {len(codes)} colours, more than objects can be told apart; it is a photo "
            f"or has blended edges, {_BLENDED_EDGES}"
        )
    colours = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=1).astype(np.uint8)

    known = [_palette_ids().get(_rgb(colour)) for colour in colours]
    if None not in known:
        labels = np.array(known, np.uint8)[places]
        _check_edges(labels, name)
        return labels
    _check_edges(_by_brightness(colours)[places], name)
    if codes[0] != 0:
        raise AnnotationError(
            f"{name}: has {len(codes)} colours, and none is black; paint the background black"
        )
    if not number_colours:
        raise AnnotationError(
            f"{name}: has colours that are not of the DAVIS palette, whose ids could differ from "
            "frame to frame; save indexed PNGs"
        )
    if len(codes) > MAX_OBJECT_ID + 1:
        raise AnnotationError(
            f"{name}: has {len(codes) - 1} objects; {MAX_OBJECT_ID} at most can be tracked"
        )
    numbers = np.empty(len(codes), np.uint8)
    numbers[np.argsort(colour_rank(colours))] = np.arange(len(codes))
    return numbers[places]


def _check_alpha(alpha: NDArray[np.uint8], packed: NDArray[Any], name: str) -> None:
    levels = np.unique(alpha)
    if len(levels) > 3:
        raise AnnotationError(f"{name}: has {len(levels)} levels of transparency, {_BLENDED_EDGES}")
    visible = packed[alpha > 0]
    is_flat = visible.size > 0 and bool((visible == visible[0]).all())
    if len(levels) > 1 and is_flat and (levels[0] > 0 or visible[0] == 0):
        raise AnnotationError(
            f"{name}: is in one colour and differs in transparency only; "
            "save the mask in black and white, without an alpha channel"
        )


def _check_edges(order: NDArray[np.uint8], name: str) -> None:
    """Reject levels that are a blend of their neighbours.

    A blended pixel lies strictly between its darkest and its brightest neighbour. A level where
    most pixels do is not an object.

    Args:
        order: levels of shape (H, W) in the order in which blending would mix them.
        name: what to call the mask in messages.
    """
    square = np.ones((3, 3), np.uint8)
    is_blend = (cv2.erode(order, square) < order) & (order < cv2.dilate(order, square))
    pixels = counts_of_values(order)
    blends = np.bincount(order[is_blend], minlength=256)
    levels = np.flatnonzero(pixels)
    blended = np.flatnonzero((blends > 0) & (2 * blends >= pixels))
    # A blend below white is one of black and white more likely than an object between background
    # and void, and taking it for one would make a void of the white object.
    enough = 1 if levels[-1] == VOID else _MIN_BLENDED_LEVELS
    if len(blended) >= enough:
        raise AnnotationError(
            f"{name}: has {len(levels)} grey levels or colours, {len(blended)} of them only along "
            f"edges, {_BLENDED_EDGES}"
        )


def _by_brightness(colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the place of each of up to 256 RGB colours, shape (N, 3), in order of brightness."""
    luma = colours.astype(np.int64) @ (299, 587, 114)
    places = np.empty(len(colours), np.uint8)
    places[np.argsort(luma, kind="stable")] = np.arange(len(colours))
    return places


@cache
def _palette_ids() -> dict[tuple[int, int, int], int]:
    """Return the label of every colour that has one.

    These are the palette's colours, what the files of DAVIS 2017 have in their place (191 where
    the rule gives 192, greys from label 22 on), and the greys, which are labels themselves.
    """
    ids = {(grey, grey, grey): grey for grey in range(256)}
    palette = davis_palette()
    ids |= {
        _rgb(np.where(palette[label] == 192, 191, palette[label])): label for label in range(22)
    }
    return ids | {_rgb(colour): label for label, colour in enumerate(palette)}


def _rgb(colour: NDArray[Any]) -> tuple[int, int, int]:
    red, green, blue = colour.tolist()
    return red, green, blue
