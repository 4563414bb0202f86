import numpy as np

from persam_video.drawing.colours import overlay_colour
from persam_video.drawing.prompts import draw_prompts
from persam_video.prompting import ObjectPrompts


def test_boxes_and_points_are_drawn_where_they_were_given():
    rgb = np.full((120, 160, 3), 128, np.uint8)
    kept = rgb.copy()
    prompts = [ObjectPrompts(3, (20.0, 30.0, 71.0, 91.0), ((40.0, 50.0),), ((120.0, 60.0),))]
    drawn = draw_prompts(rgb, prompts)
    assert np.array_equal(rgb, kept)
    for x, y in ((20, 60), (70, 60), (45, 30), (45, 90), (120, 60)):  # the four sides, the cross
        assert drawn[y, x].tolist() == [255, 255, 255]
    assert drawn[50, 40].tolist() == list(overlay_colour(3))
    for x, y in ((45, 70), (10, 10), (120, 80), (80, 60)):
        assert drawn[y, x].tolist() == [128, 128, 128]


def test_prompts_at_the_edge_of_the_picture():
    rgb = np.zeros((8, 8, 3), np.uint8)
    prompts = [ObjectPrompts(1, (0.0, 0.0, 8.0, 8.0), ((7.6, 7.6),), ((0.0, 0.0),))]
    assert draw_prompts(rgb, prompts)[7, 0].tolist() == [255, 255, 255]
