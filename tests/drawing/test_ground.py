"""Other backgrounds, and what trails show."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from persam_video.drawing.overlay import Painter
from persam_video.drawing.overlay_style import OverlayStyle
from persam_video.drawing.soft import objects_share
from persam_video.results import FrameResult, SoftMask
from persam_video.video import VideoWriter

HEIGHT, WIDTH = 60, 80


def result(time, x=20):
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    if x is not None:
        labels[20:40, x : x + 20] = 1
    return FrameResult.from_labels(round(time * 10), time, labels, [1])


def frame():
    return np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def test_a_colour_is_behind_the_objects_and_they_are_untouched():
    drawn = Painter(OverlayStyle(("background=#102030",), feather=0)).draw(frame(), result(0))
    inside = result(0).labels > 0
    assert np.array_equal(drawn[inside], frame()[inside])
    assert (drawn[~inside] == (16, 32, 48)).all()


def test_where_two_soft_masks_meet_no_background_comes_through():
    labels = np.array([[1, 1, 2, 2, 0, 0]], np.uint8)
    result = FrameResult.from_labels(0, 0.0, labels, [1, 2])
    left = SoftMask((0, 0, 3, 1), np.array([[255, 140, 115]], np.uint8))
    right = SoftMask((1, 0, 5, 1), np.array([[115, 140, 153, 51]], np.uint8))
    result = replace(result, soft={1: left, 2: right})
    share = objects_share(result)
    np.testing.assert_allclose(share, [[1, 1, 1, 0.6, 0.2, 0]], atol=1e-6)
    alone = objects_share(result.only([1]))
    np.testing.assert_allclose(alone, [[1, 140 / 255, 115 / 255, 0, 0, 0]], atol=1e-6)


@pytest.mark.parametrize("feather", [None, 4, 12])
def test_soft_edges_go_from_one_to_the_other(feather):
    white = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    drawn = Painter(OverlayStyle(("background=black",), feather=feather)).draw(white, result(0))
    edge = drawn[30, :30, 0].astype(int)
    assert (np.diff(edge) >= 0).all() and edge[0] == 0
    between = np.count_nonzero((edge > 25) & (edge < 230))
    assert abs(between - (feather or 2)) <= 0.45 * (feather or 2) + 1


def test_a_picture_fills_the_frame_and_keeps_its_shape(tmp_path):
    rows, columns = np.indices((100, 100))
    Image.fromarray(np.stack((columns, rows, 0 * rows), axis=2).astype(np.uint8)).save(
        tmp_path / "a, b.png"
    )
    style = OverlayStyle((f"background={tmp_path / 'a, b.png'}",), feather=0)
    painter = Painter(style)
    assert painter.files == (tmp_path / "a, b.png",)
    for time in (0.0, 5.0):
        drawn = painter.draw(frame(), result(time, None)).astype(int)
        assert np.abs(drawn[0, :, 0] - np.linspace(0, 99, WIDTH)).max() <= 1.5  # all columns
        assert np.abs(drawn[:, 0, 1] - np.linspace(12.5, 87, HEIGHT)).max() <= 1.5  # the middle
    painter.close()


def test_a_video_plays_at_its_own_speed_and_begins_anew(tmp_path):
    path = tmp_path / "film.mp4"
    levels = [0, 60, 120, 180, 240]
    with VideoWriter(path, size=(32, 32), fps=5, crf=4) as writer:
        for number, level in enumerate(levels):
            writer.write(np.full((32, 32, 3), level, np.uint8), number / 5)
    painter = Painter(OverlayStyle((f"background={path}",)))
    begin = 3.0
    shown = [
        int(painter.draw(frame(), result(begin + number / 10, None))[30, 40, 1])
        for number in range(24)
    ]
    wanted = [levels[number // 2 % 5] for number in range(24)]
    assert np.abs(np.subtract(shown, wanted)).max() <= 4
    painter.close()


def test_a_trail_shows_the_way_of_the_last_seconds():
    painter = Painter(OverlayStyle(("trail=1",), colours={1: (255, 0, 0)}))
    black = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for number in range(40):
        drawn = painter.draw(black, result(number / 10, number + 10))
    columns = np.flatnonzero((drawn[..., 0] > 128).any(axis=0))
    rows = np.flatnonzero((drawn[..., 0] > 128).any(axis=1))
    # the centre is at column 58.5 now and was at 48.5 a second ago
    assert abs(columns.min() - 48) <= 2 and abs(columns.max() - 59) <= 3
    assert rows.min() >= 26 and rows.max() <= 33


def test_a_trail_has_a_gap_where_the_object_was_lost():
    painter = Painter(OverlayStyle(("trail=9",), colours={1: (255, 0, 0)}))
    black = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for number, x in enumerate((0, 2, 4, None, None, 50, 52)):
        drawn = painter.draw(black, result(number / 10, x))
    assert (drawn[..., 0] > 128).any(axis=0)[[10, 60]].all()
    assert not drawn[:, 25:50].any()
