import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persam_video.video import FrameStream
from persam_video.video.cuts import CutDetector


def texture(seed, low, high, shape=(90, 160)):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(low, high, (shape[0] // 6, shape[1] // 6, 3), dtype=np.uint8)
    return cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)


FOREST, BEACH = texture(1, (0, 60, 0), (70, 140, 60)), texture(2, (150, 130, 90), (250, 220, 180))


def cuts(frames):
    detector = CutDetector()
    return [index for index, rgb in enumerate(frames) if detector.sees_cut(rgb)]


def test_each_new_scene_is_a_cut_and_the_first_frame_is_none():
    assert cuts([FOREST] * 3 + [BEACH] * 3 + [FOREST] * 2) == [3, 6]


def test_motion_is_no_cut():
    wide = texture(3, (0, 40, 30), (220, 180, 120), (90, 480))
    assert cuts([wide[:, x : x + 160] for x in range(0, 320, 12)]) == []


def test_light_is_no_cut():
    bright = cv2.convertScaleAbs(FOREST, alpha=1.7, beta=15)
    assert cuts([FOREST, FOREST, bright, FOREST, FOREST]) == []


def test_a_part_of_the_pixels_of_a_large_frame_is_enough():
    """Fine structure and noise may change the small picture, but hardly its colours."""
    rng = np.random.default_rng(4)
    large = cv2.resize(texture(5, (0, 40, 30), (220, 180, 120)), (3840, 2160)).astype(np.int16)
    noisy = (large + rng.normal(0, 20, (2160, 3840, 1))).clip(0, 255).astype(np.uint8)
    detector = CutDetector()
    detector.sees_cut(noisy)
    everything = cv2.resize(noisy, (128, 72), interpolation=cv2.INTER_AREA).astype(float)
    difference = np.abs(detector.picture - everything)
    assert difference.mean() < 3
    assert np.abs(difference.mean(axis=2)).max() < 16


def test_scenes_of_large_frames_are_cut_as_those_of_small_ones():
    small = [FOREST] * 2 + [BEACH] * 2 + [FOREST]
    assert cuts(cv2.resize(rgb, (1920, 1080)) for rgb in small) == cuts(small) == [2, 4]


def test_frames_without_structure_are_no_cuts():
    assert cuts([np.full((48, 64, 3), 20 + 10 * index, np.uint8) for index in range(20)]) == []


def test_the_answer_depends_on_the_picture_alone():
    detector = CutDetector()
    detector.sees_cut(FOREST)
    restored = CutDetector(detector.picture.copy())
    assert restored.sees_cut(BEACH) == detector.sees_cut(BEACH) is True
    assert np.array_equal(restored.picture, detector.picture)


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 40))
def test_no_frame_is_a_cut_from_itself(seed, height, width):
    rgb = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    assert cuts([rgb, rgb.copy()]) == []


@pytest.mark.parametrize("name", ["bmx-trees", "libby", "car-shadow"])
def test_real_shots_have_no_cut_and_one_follows_another_by_one(shared_data, name):
    folder = shared_data / "davis" / "JPEGImages" / "480p"
    with FrameStream(folder / name, stop=20) as shot, FrameStream(folder / "dog", stop=2) as other:
        frames = [frame.rgb for frame in shot] + [frame.rgb for frame in other]
    assert cuts(frames) == [len(frames) - 2]
