"""Masks of several objects become one label map, and what cannot be theirs is removed."""

from dataclasses import replace

import numpy as np

from persam_video.config.settings import MaskSettings
from persam_video.masks.labels import PlacedLogits
from persam_video.results import ObjectState
from persam_video.tracking import Tracker
from persam_video.tracking.merging import merge_masks

MASKS = MaskSettings()


def test_what_comes_out_behind_a_post_is_kept_and_what_is_elsewhere_is_not(model):
    """A body of 40 x 50 pixels, of which a post leaves two parts, and a look-alike."""
    tracker = Tracker(model)
    picture = np.zeros((200, 300, 3), np.uint8)
    tracker.step(picture, np.pad(np.ones((50, 40), np.uint8), ((100, 50), (100, 160))))
    (body,) = tracker.state().objects
    assert body.box == (100, 100, 140, 150)
    logits = np.full((200, 300), -8.0, np.float32)
    before, behind, elsewhere = np.s_[100:150, 100:128], np.s_[105:140, 149:170], np.s_[:40, 250:]
    for part in (before, behind, elsewhere):
        logits[part] = 8

    def merged(body):
        return merge_masks([PlacedLogits((0, 0, 300, 200), logits)], [body], (200, 300), MASKS) == 1

    labels = merged(body)
    assert labels[before].all()
    assert labels[behind].all()
    assert not labels[elsewhere].any()
    assert merged(replace(body, state=ObjectState.LOST))[elsewhere].all()
    logits[before] = logits[behind] = -8
    assert merged(body)[elsewhere].all()  # all there is of it
