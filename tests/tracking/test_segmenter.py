import numpy as np
import pytest
import torch

from persam_video.config import load_settings
from persam_video.sam.model import SamModel
from persam_video.tracking import Tracker
from persam_video.tracking.segmenter import rivals


@pytest.fixture
def asked(model, monkeypatch):
    """Collect the prompts that the model is asked with."""
    seen = []
    decode = SamModel.decode

    def listen(self, embedding, prompts):
        seen.append(prompts)
        return decode(self, embedding, prompts)

    monkeypatch.setattr(SamModel, "decode", listen)
    return seen


def test_a_window_surrounds_the_last_box(model, demo_frames, asked):
    share = 0.5
    tracker = Tracker(model, load_settings("persam", {"prompts.window": share}))
    boxes = [seen.box for seen in tracker.step(*demo_frames[0]).objects]
    tracker.step(demo_frames[1][0])
    height, width = demo_frames[0][1].shape
    cell = max(height, width) * 16 / model.info.image_size  # in pixels of the frame
    windows = asked[0].windows.numpy() * cell
    for (x0, y0, x1, y1), (left, top, right, bottom) in zip(boxes, windows, strict=True):
        margin = max(share * max(x1 - x0, y1 - y0), 4 * cell)
        wanted = (x0 - margin, y0 - margin, x1 + margin, y1 + margin)
        # whole cells, and none beyond the frame
        assert np.abs([left - max(wanted[0], 0), top - max(wanted[1], 0)]).max() <= cell
        assert (
            np.abs([right - min(wanted[2], width), bottom - min(wanted[3], height)]).max() <= cell
        )
        assert left <= x0 and top <= y0 and right >= x1 and bottom >= y1
    assert (windows[:, :2] < windows[:, 2:]).all()


def test_a_lost_object_is_looked_for_everywhere(model, demo_frames, asked):
    tracker = Tracker(model, load_settings("persam", {"lost.score": 1.0, "lost.found": 1.0}))
    tracker.step(*demo_frames[0])
    tracker.step(demo_frames[1][0])  # no score is high enough, so all are lost
    asked.clear()
    tracker.step(demo_frames[2][0])
    assert asked
    assert all(prompts.windows is None for prompts in asked)


def test_without_a_window_masks_are_made_everywhere(model, demo_frames, asked):
    tracker = Tracker(model, load_settings("persam", {"prompts.window": None}))
    tracker.step(*demo_frames[0])
    tracker.step(demo_frames[1][0])
    assert all(prompts.windows is None for prompts in asked)


def test_a_rival_is_what_resembles_an_object_most_outside_of_all_masks():
    logits = torch.full((2, 32, 48), -9.0)
    logits[0, 8:16, 8:16] = 9.0  # cells 2 and 3 of rows and columns
    logits[1, 8:16, 32:40] = 9.0
    similarity = torch.full((2, 8, 12), 0.1)
    similarity[:, 2:4, 2:4] = similarity[:, 2:4, 8:10] = 0.8  # two objects that look the same
    assert rivals(logits, similarity, (8, 12)).tolist() == pytest.approx([0.125, 0.125], rel=0.01)
    similarity[0, 6:8, 4:6] = 0.88  # and somewhere a third one, which the first is more like
    similarity[1, 6, 4] = 0.88  # of the second, a single cell
    assert rivals(logits, similarity, (8, 12)).tolist() == pytest.approx([1.1, 0.125], rel=0.01)
    # cells that show nothing of the frame do not count
    assert rivals(logits, similarity, (6, 12)).tolist() == pytest.approx([0.125, 0.125], rel=0.01)


def test_an_object_that_fills_the_frame_has_no_rival():
    assert rivals(torch.full((1, 8, 8), 9.0), torch.full((1, 2, 2), 0.7), (2, 2)).tolist() == [0]
