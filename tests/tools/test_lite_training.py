"""Clips, clicks and prompts of the embedded model's training."""

import cv2
import numpy as np
import pytest
import torch
from lite_training.clicks import Clicks
from lite_training.clips import ClipSettings, _in_parts, clip_batches
from lite_training.data import HELD_OUT, LabelledImage, TrainingData, load_training_data

from persam_video.synthetic import demo


@pytest.fixture(scope="module")
def frames():
    made = []
    for number, (rgb, labels) in enumerate(demo().frames()):
        if number % 8 == 0:
            small = np.ascontiguousarray(rgb[::3, ::3])
            made.append(LabelledImage(small, np.ascontiguousarray(labels[::3, ::3])))
    return made


def batches(frames, count, **settings):
    data = TrainingData(frames, [frames])
    chosen = ClipSettings(**settings)
    rng = np.random.default_rng(7)
    made = clip_batches(data, chosen, ((96, 128),), 2, rng)
    return [next(made) for _ in range(count)]


def test_clips_have_six_frames_and_two_objects_that_are_seen_at_first(frames):
    for batch in batches(frames, 6):
        assert batch.rgb.shape == (2, 6, 96, 128, 3)
        assert batch.targets.shape == (2, 2, 6, 96, 128)
        assert set(np.unique(batch.targets)) <= {0, 1, 255}
        seen = (batch.targets[:, :, :2] == 1).sum(axis=(3, 4))
        assert (seen >= 120).all()


def test_where_other_objects_are_is_told_apart(frames):
    rest = 0
    for batch in batches(frames, 6, paste=1.0, look_alike=1.0):
        assert batch.rest.shape == (2, 6, 96, 128)
        assert not (batch.rest[:, None] & (batch.targets == 1)).any()
        assert not (batch.rest[:, None] & (batch.targets == 255)).any()
        rest += int(batch.rest.sum())
    assert rest > 0


def test_groups_are_the_stills_with_several_objects(frames):
    one = LabelledImage(frames[0].rgb, (frames[0].labels == 1).astype(np.uint8))
    data = TrainingData([one, *frames[:1]], [frames])
    assert data.groups == frames[:1]


def test_a_camera_that_turns_away_loses_the_object_for_a_while(frames):
    kept = {"video_share": 0.0, "paste": 0.0, "company": 0.0, "absent": 0.0, "bend": 0.0}
    area = [
        [(b.targets[:, :, place] == 1).mean() for place in (1, 2)]
        for b in batches(frames, 8, leave=1.0, **kept)
    ]
    before, away = np.mean(area, axis=0)
    assert away < 0.4 * before


def test_little_moves_in_calm_clips(frames):
    kept = {"video_share": 0.0, "paste": 0.0, "absent": 0.0, "leave": 0.0, "bend": 1.0}
    kept["company"] = 0.0

    def overlap(calm):
        made = batches(frames, 6, calm=calm, **kept)
        masks = np.concatenate([batch.targets[:, :, 1:] == 1 for batch in made])
        before, after = masks[:, :, :-1], masks[:, :, 1:]
        return (before & after).sum() / (before | after).sum()

    assert overlap(1.0) > overlap(0.0) + 0.1


def test_company_moves_along_beside_an_object_and_looks_like_it(frames):
    one = LabelledImage(frames[0].rgb, (frames[0].labels == 1).astype(np.uint8))
    settings = ClipSettings(
        video_share=0.0, company=1.0, calm=1.0, absent=0.0, leave=0.0, bend=0.0, parts=0.0, blur=0.0
    )
    rng = np.random.default_rng(3)
    made = clip_batches(TrainingData([one], [frames]), settings, ((160, 160),), 1, rng)
    drift, likeness = [], []
    for batch in (next(made) for _ in range(12)):
        pair = batch.targets[0] == 1
        if not pair.any(axis=(2, 3)).all() or (pair[0] == pair[1]).all():
            continue  # out of the picture in a frame, or not chosen for the second object
        places = [[np.argwhere(mask).mean(axis=0) for mask in masks] for masks in pair]
        apart = np.subtract(*places)
        drift.append(np.abs(np.diff(apart[1:], axis=0)).mean() / np.sqrt(pair.mean() * 160**2))
        means = [batch.rgb[0, 1][masks[1]].mean(axis=0) for masks in pair]
        likeness.append(np.abs(np.subtract(*means)).max())
    assert len(drift) >= 3
    assert np.median(drift) < 0.15
    assert np.median(likeness) < 25


def test_objects_are_cut_into_parts_that_make_them_up(frames):
    disc = np.zeros((80, 80), np.uint8)
    cv2.circle(disc, (40, 40), 30, 1, -1)
    rng = np.random.default_rng(3)
    rgb = rng.integers(0, 255, (80, 80, 3), dtype=np.uint8)
    parts = _in_parts(LabelledImage(rgb, disc), rng).labels
    assert len(np.unique(parts)) in (3, 4)  # background and two or three parts
    assert (((parts > 0) != (disc > 0)).sum()) < 0.02 * (disc > 0).sum()
    counts = np.bincount(parts[parts > 0])[1:]
    assert counts.min() > 0.05 * (disc > 0).sum()


def test_what_is_held_out_is_not_trained_on(tmp_path):
    names = HELD_OUT.read_text(encoding="utf-8").splitlines()
    assert len(names) == len(set(names)) == 100
    for folder in ("images", "masks", "video"):
        (tmp_path / folder).mkdir()
    for value, name in ((40, "other"), (200, names[3])):
        picture = np.full((40, 40, 3), value, np.uint8)
        cv2.imwrite(str(tmp_path / "images" / f"{name}.webp"), picture)
        cv2.imwrite(str(tmp_path / "masks" / f"{name}.png"), np.eye(40, dtype=np.uint8))
    lines = ["name,source,objects", "other,x,1", f"{names[3]},x,1"]
    (tmp_path / "index.csv").write_text("\n".join(lines) + "\n")
    data = load_training_data(tmp_path)
    assert [int(still.rgb.mean().round()) for still in data.stills] == [40]


def test_clicks_are_made_where_the_answer_is_wrong():
    truth = torch.zeros(3, 48, 48)
    truth[:, 10:31, 20:41] = 1
    answer = torch.zeros_like(truth)
    answer[1] = truth[1]
    answer[1, 40:47, 2:9] = 1
    clicks = Clicks(3, 4.0)
    wanted = torch.tensor([True, True, False])
    clicks.add(answer, truth, torch.ones_like(truth), wanted, torch.Generator().manual_seed(1))
    assert clicks.labels.flatten().tolist() == [1, 0, -1]
    (x, y), (false_x, false_y), _ = (clicks.points[:, 0] / 4).tolist()
    assert 20 <= x < 41 and 10 <= y < 31
    assert 2 <= false_x < 9 and 40 <= false_y < 47
