"""Sequences that are encoded once and tracked repeatedly."""

from itertools import islice

import numpy as np
import pytest

from eval.sequences import EncodedSequence, Sequence
from persam_video.config import load_settings
from persam_video.sam import load_sam
from persam_video.synthetic import demo
from persam_video.tracking import Tracker
from persam_video.video import Frame


@pytest.mark.parametrize("limit", [1.0, 2.0])
def test_stored_embeddings_give_the_trackers_masks(limit):
    model = load_sam(device="cpu", precision="fp32", image_size=256)
    settings = load_settings("persam", {"zoom.limit": limit})
    drawn = list(islice(demo().frames(), 3))
    frames = tuple(Frame(index, rgb, 0.0) for index, (rgb, _) in enumerate(drawn))
    labels = np.where(drawn[0][1] == 1, np.uint8(1), np.uint8(0))
    encoded = EncodedSequence(Sequence("koi", frames, (labels,) * 3, {0: labels}), model)
    tracker = Tracker(model, settings)
    expected = [tracker.step(frame, labels if frame.index == 0 else None) for frame in frames]
    for _ in range(2):  # the embeddings serve again
        for found, wanted in zip(encoded.track(settings), expected, strict=True):
            assert np.array_equal(found.labels, wanted.labels)
