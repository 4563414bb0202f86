"""Synthetic clips: exact truth, equal pictures from equal settings, the promised events."""

import dataclasses
from fractions import Fraction
from functools import lru_cache

import av
import cv2
import numpy as np
import pytest

from persam_video.errors import ConfigError, OutputError
from persam_video.masks.png import read_label_png
from persam_video.synthetic import (
    Kind,
    SyntheticClip,
    SyntheticObject,
    Waypoint,
    come_and_go,
    crossing,
    demo,
    exit_and_return,
    late_entry,
    lookalike,
)

PRESETS = {
    "demo": demo,
    "crossing": crossing,
    "lookalike": lookalike,
    "late_entry": late_entry,
    "exit_and_return": exit_and_return,
    "come_and_go": come_and_go,
}


def small(clip):
    """The same scene in fewer pixels, to save time."""
    return dataclasses.replace(clip, width=320, height=180)


@lru_cache(maxsize=8)
def drawn(clip):
    """The frames of a clip, drawn once for all tests that look at them."""
    return tuple(clip.frames())


def areas(clip):
    """Area of each object in each frame, by id."""
    counts = np.array([np.bincount(labels.ravel(), minlength=256) for _, labels in drawn(clip)])
    return {object_id: counts[:, object_id] for object_id in clip.object_ids}


CENTRE = (Waypoint(0, 0.5, 0.5),)


def one_object(kind, *, path=CENTRE, tint=(0.9, 0.4, 0.1), object_id=1, **more):
    thing = SyntheticObject(object_id, kind, tint, 0.6, path)
    return SyntheticClip((thing,), **{"width": 200, "height": 120, "length": 2, **more})


@pytest.mark.parametrize("name", PRESETS)
def test_frames_and_labels_have_the_promised_form(name):
    clip = small(PRESETS[name]())
    shown = set()
    for rgb, labels in drawn(clip):
        assert rgb.shape == (180, 320, 3) and rgb.dtype == np.uint8
        assert labels.shape == (180, 320) and labels.dtype == np.uint8
        shown |= set(np.unique(labels).tolist())
    assert len(drawn(clip)) == clip.length
    assert shown == {0, *clip.object_ids}


def test_equal_settings_give_equal_clips_and_other_seeds_other_pictures():
    short = dataclasses.replace(small(demo(seed=3)), length=3)
    first, second = list(short.frames()), list(short.frames())
    for (rgb, labels), (rgb_again, labels_again) in zip(first, second, strict=True):
        assert np.array_equal(rgb, rgb_again) and np.array_equal(labels, labels_again)
    other_rgb, other_labels = next(dataclasses.replace(short, seed=4).frames())
    assert not np.array_equal(first[0][0], other_rgb)
    assert np.array_equal(first[0][1], other_labels)  # only the looks are random


def test_demo_hides_most_of_the_leaf_and_shows_it_again():
    area = areas(small(demo()))
    for object_id in (1, 2):
        assert area[object_id].min() > 0.9 * area[object_id][0]
    leaf = area[3] / area[3][0]
    hidden = np.flatnonzero(leaf < 0.1)
    assert 3 <= len(hidden) <= 8 and np.array_equal(np.diff(hidden), np.ones(len(hidden) - 1))
    assert leaf.min() > 0 and leaf[-1] > 0.8
    assert ((leaf > 0.1) & (leaf < 0.8)).sum() >= 10  # in part hidden, before and after


def test_demo_objects_move_turn_and_change_size():
    frames = drawn(small(demo()))
    first, last = frames[0][1], frames[-1][1]
    for object_id in (1, 2, 3):
        moments = [cv2.moments((m == object_id).astype(np.uint8)) for m in (first, last)]
        x, y = ([m[k] / m["m00"] for m in moments] for k in ("m10", "m01"))
        assert np.hypot(x[1] - x[0], y[1] - y[0]) > 25
    koi = [cv2.minAreaRect(np.argwhere(m == 1).astype(np.float32)[:, ::-1]) for m in (first, last)]
    assert max(koi[1][1]) > 1.08 * max(koi[0][1])


def test_crossing_hides_the_leaf_completely():
    leaf = areas(small(crossing()))[3]
    hidden = np.flatnonzero(leaf == 0)
    assert len(hidden) >= 3 and hidden[0] > 0 and hidden[-1] < 59
    assert leaf[0] == pytest.approx(leaf[-1], rel=0.05)


def test_the_lookalike_is_drawn_but_not_labelled():
    clip = dataclasses.replace(small(lookalike()), length=1)
    koi, double, ball = clip.objects
    away = dataclasses.replace(double, path=(Waypoint(0, -2.0, 0.5),))
    alone = dataclasses.replace(clip, objects=(koi, away, ball))
    (rgb, labels), (rgb_alone, labels_alone) = next(clip.frames()), next(alone.frames())
    changed = np.abs(rgb.astype(int) - rgb_alone).max(axis=2) > 60
    assert changed.sum() > 1500
    assert not labels[changed].any()
    assert (labels != labels_alone).mean() < 0.001


def test_a_distractor_in_front_takes_pixels_from_the_truth():
    koi = SyntheticObject(1, Kind.KOI, (0.9, 0.5, 0.1), 0.8, CENTRE)
    ball = SyntheticObject(0, Kind.BALL, (0.1, 0.3, 0.7), 0.4, CENTRE)
    clips = [SyntheticClip(o, width=160, height=120, length=1) for o in ((koi,), (koi, ball))]
    whole, cut = (next(clip.frames())[1] for clip in clips)
    assert (cut[cut != whole] == 0).all() and 0 < (cut == 1).sum() < 0.7 * (whole == 1).sum()


@pytest.mark.parametrize("enters", [1, 12, 30])
def test_late_entry_is_exact(enters):
    area = areas(small(late_entry(enters, length=40)))
    assert not area[2][:enters].any()
    assert area[2][enters] > 500 and area[2][enters + 4] > 3000
    assert area[1].min() > 0.9 * area[1].max()


@pytest.mark.parametrize(("leaves", "returns"), [(10, 20), (25, 40)])
def test_exit_and_return_are_exact(leaves, returns):
    area = areas(small(exit_and_return(leaves, returns)))
    assert area[1][:leaves].min() > 500 and area[1][returns:].min() > 500
    assert not area[1][leaves:returns].any()
    assert area[1][-1] > 2000 and area[2].min() > 0.9 * area[2].max()


def test_come_and_go_keeps_its_timetable():
    area = areas(small(come_and_go(enters=30, leaves=50, returns=70)))
    assert (np.flatnonzero(area[1] == 0) == np.arange(50, 70)).all()
    assert (np.flatnonzero(area[2] == 0) == np.arange(0, 30)).all()
    assert area[3].min() > 1500


@pytest.mark.parametrize("kind", Kind)
def test_labels_are_where_the_object_is_drawn(kind):
    """Against a twin clip without the object, the changed pixels are the mask (and its shadow)."""
    clip = one_object(kind, tint=(1.0, 0.1, 0.9))
    empty = dataclasses.replace(clip, objects=())
    for (rgb, labels), (bare, _) in zip(clip.frames(), empty.frames(), strict=True):
        brighter = np.maximum(rgb.astype(int) - bare, 0).max(axis=2) > 25
        solid = cv2.erode((labels == 1).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        around = cv2.dilate((labels == 1).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        assert not (brighter & ~around).any()
        assert brighter[solid].mean() > 0.8


def test_masks_follow_the_waypoints():
    path = (Waypoint(0, 0.3, 0.4), Waypoint(4, 0.7, 0.6, scale=0.5))
    frames = list(one_object(Kind.BALL, path=path, length=7).frames())
    for frame, x, y, scale in ((0, 60, 48, 1), (4, 140, 72, 0.5), (6, 140, 72, 0.5)):
        mask = (frames[frame][1] == 1).astype(np.uint8)
        moments = cv2.moments(mask)
        assert moments["m10"] / moments["m00"] + 0.5 == pytest.approx(x, abs=1)
        assert moments["m01"] / moments["m00"] + 0.5 == pytest.approx(y, abs=1)
        assert mask.sum() == pytest.approx(np.pi * (0.96 * 36 * scale) ** 2, rel=0.03)


def test_an_object_outside_the_picture_has_no_pixel():
    clip = one_object(Kind.BALL, path=(Waypoint(0, -0.3, 0.5),))
    assert not any(labels.any() for _, labels in clip.frames())


@pytest.mark.parametrize(("width", "height"), [(63, 47), (48, 97)])
def test_odd_sizes(width, height):
    clip = one_object(Kind.LEAF, width=width, height=height)
    rgb, labels = next(clip.frames())
    assert rgb.shape == (height, width, 3) and (labels == 1).sum() > 100


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: late_entry(60, length=60), "not in order"),
        (lambda: late_entry(0), "not in order"),
        (lambda: exit_and_return(30, 20), "not in order"),
        (lambda: come_and_go(leaves=3), "not in order"),
        (lambda: SyntheticClip((), length=0), "length"),
        (lambda: SyntheticClip((), width=4), "width"),
        (lambda: one_object(Kind.BALL, object_id=256), "object id is 256"),
        (lambda: one_object(Kind.BALL, path=()), "path"),
        (lambda: one_object(Kind.BALL, path=(Waypoint(3, 0, 0), Waypoint(3, 1, 1))), "path"),
    ],
)
def test_settings_that_cannot_be_drawn(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_written_files_hold_the_clip(tmp_path):
    clip = dataclasses.replace(small(demo()), length=8, fps=Fraction(24000, 1001))
    files = clip.write(tmp_path / "new" / "folder")
    frames = list(clip.frames())
    with av.open(files.video) as container:
        assert container.streams.video[0].average_rate == Fraction(24000, 1001)
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(decoded) == 8
    for (rgb, _), seen in zip(frames, decoded, strict=True):
        assert np.abs(rgb.astype(int) - seen).mean() < 4
    names = sorted(path.name for path in files.truth.iterdir())
    assert names == [f"{index:05d}.png" for index in range(8)]
    for name, (_, labels) in zip(names, frames, strict=True):
        assert np.array_equal(read_label_png(files.truth / name), labels)
    assert np.array_equal(read_label_png(files.first_mask), frames[0][1])


def test_truth_of_an_earlier_clip_does_not_stay(tmp_path):
    clip = one_object(Kind.BALL)
    dataclasses.replace(clip, length=4).write(tmp_path)
    files = dataclasses.replace(clip, length=2).write(tmp_path)
    assert len(list(files.truth.iterdir())) == 2


def test_writing_below_a_file_is_refused(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError, match="taken"):
        demo().write(tmp_path / "taken")
