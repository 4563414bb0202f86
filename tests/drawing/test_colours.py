"""Colours of objects: tellable apart, legible, in the hues of the DAVIS palette."""

import colorsys

import cv2
import numpy as np
import pytest

from persam_video.drawing.colours import ink_on, overlay_colour, overlay_palette
from persam_video.masks.palette import davis_palette


def lab(palette):
    return cv2.cvtColor(palette[None].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0]


def test_the_first_ids_are_clearly_different():
    colours = lab(overlay_palette())[1:21]
    distance = np.linalg.norm(colours[:, None] - colours[None], axis=2)
    assert distance[~np.eye(20, dtype=bool)].min() > 20


def test_the_first_ids_have_a_colour_each():
    assert len(np.unique(overlay_palette()[1:41], axis=0)) == 40


def test_no_colour_is_dark_or_glaring():
    lightness = lab(overlay_palette())[1:, 0]
    assert lightness.min() > 45 and lightness.max() < 90


@pytest.mark.parametrize("object_id", [1, 2, 3, 4, 5, 6, 12, 200])
def test_hues_are_those_of_davis(object_id):
    ours = colorsys.rgb_to_hsv(*overlay_palette()[object_id] / 255)[0]
    theirs = colorsys.rgb_to_hsv(*davis_palette()[object_id] / 255)[0]
    assert abs((ours - theirs + 0.5) % 1 - 0.5) < 0.02


def test_the_palette_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        overlay_palette()[1] = 0


@pytest.mark.parametrize("object_id", range(1, 256, 7))
def test_ink_is_readable(object_id):
    colour = overlay_colour(object_id)

    def luminance(rgb):
        linear = [c / 3294.6 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in rgb]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, bright = sorted((luminance(colour), luminance(ink_on(colour))))
    assert (bright + 0.05) / (dark + 0.05) > 3  # WCAG's bound for large and bold text
