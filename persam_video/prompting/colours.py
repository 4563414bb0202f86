"""Deciding by colour what a network is unsure of.

The embedded model sees a picture in cells. Where it wavers, it is often plain from the colours what
belongs together: what looks like the rest of the object, and not like what is around it.

Source of the cut: Rother, Kolmogorov and Blake, "GrabCut: Interactive Foreground Extraction using
Iterated Graph Cuts", SIGGRAPH 2004.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from persam_video.masks.boxes import Box, clip
from persam_video.prompting.prompts import PixelPrompts

_MARGIN = 0.25
"""How much of what is around the object is looked at, in shares of its width and height."""

_LONG_SIDE = 640
"""Long side of the picture that is cut, in pixels; a larger one is reduced."""

_BINS = 16
"""Shades of each channel of a colour (CIELAB) that are told apart."""

_SPREAD = 0.7
"""How far a colour counts for those beside it, in bins."""

_WEIGHT = 0.7
"""Weight of the colours, as evidence, beside what the network says."""

_SURE = 0.8
"""A probability from which a pixel is taken for granted, as object or as background."""

_CLICKED = 2
"""Radius of what a click decides, in pixels of the picture that is cut."""


def cut_out(
    rgb: NDArray[np.uint8], probability: NDArray[np.float32], around: Box, prompts: PixelPrompts
) -> NDArray[np.bool_]:
    """Cut an object out along its colours.

    Args:
        rgb: uint8 (H, W, 3).
        probability: float32 (H, W), 0 to 1, that a pixel is the object.
        around: box of the object (x0, y0, x1, y1), x1 and y1 exclusive.
        prompts: of the object; the cut does what its points say.

    Returns:
        bool (H, W).
    """
    x0, y0, x1, y1 = _with_margin(around, (rgb.shape[0], rgb.shape[1]))
    scale = min(1.0, _LONG_SIDE / max(x1 - x0, y1 - y0))
    size = max(1, round(scale * (x1 - x0))), max(1, round(scale * (y1 - y0)))
    part = np.s_[y0:y1, x0:x1]
    picture = np.asarray(cv2.resize(rgb[part], size, interpolation=cv2.INTER_AREA), np.uint8)
    share = cv2.resize(probability[part], size, interpolation=cv2.INTER_AREA)
    share = _with_colours(picture, np.asarray(share, np.float32))

    known = np.where(share > 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    known[share > _SURE] = cv2.GC_FGD
    known[share < 1 - _SURE] = cv2.GC_BGD
    for points, what in ((prompts.points, cv2.GC_FGD), (prompts.background, cv2.GC_BGD)):
        for x, y in points:
            place = round(scale * (x - x0)), round(scale * (y - y0))
            cv2.circle(known, place, _CLICKED, what, cv2.FILLED)
    mask = probability > 0.5
    if 0 < np.count_nonzero(_is_object(known)) < known.size:
        cv2.setRNGSeed(0)  # the cut begins with random colours: the same ones each time
        of_others, of_object = np.zeros((1, 65)), np.zeros((1, 65))  # written, not read
        cv2.grabCut(picture, known, (0, 0, 0, 0), of_others, of_object, 1, cv2.GC_INIT_WITH_MASK)
        cut = _is_object(known).astype(np.float32)
        mask[part] = cv2.resize(cut, (x1 - x0, y1 - y0)) > 0.5
    return mask


def _with_margin(around: Box, size: tuple[int, int]) -> Box:
    x0, y0, x1, y1 = around
    across, down = round(_MARGIN * (x1 - x0)), round(_MARGIN * (y1 - y0))
    shown = clip((x0 - across, y0 - down, x1 + across, y1 + down), size)
    assert shown is not None, "the object lies in the frame"
    return shown


def _with_colours(rgb: NDArray[np.uint8], probability: NDArray[np.float32]) -> NDArray[np.float32]:
    """Add the evidence of the colours to a probability (H, W)."""
    lab = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)) // (256 // _BINS)
    colour = np.ravel_multi_index(tuple(np.moveaxis(lab, 2, 0)), (_BINS,) * 3)
    own, others = (_frequencies(colour, part) for part in (probability, 1 - probability))
    evidence = np.log(own + 1e-6) - np.log(others + 1e-6)
    said = np.clip(probability, 1e-4, 1 - 1e-4)
    logits = np.log(said / (1 - said)) + _WEIGHT * evidence.ravel()[colour]
    return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


def _frequencies(colour: NDArray[np.intp], share: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return how frequent each colour is where the share of something is high."""
    from scipy.ndimage import gaussian_filter  # noqa: PLC0415 slow to import; masks need no colours

    counts = np.bincount(colour.ravel(), share.ravel(), _BINS**3).reshape((_BINS,) * 3)
    spread = gaussian_filter(counts, _SPREAD)
    return np.asarray(spread / max(spread.sum(), 1e-9))


def _is_object(known: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.isin(known, (cv2.GC_FGD, cv2.GC_PR_FGD))
