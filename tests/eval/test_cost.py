from dataclasses import replace

import numpy as np
import pytest

from eval.cost import LEARNED, ORDER, operations, track
from eval.speed.scenes import balls
from persam_video.config import load_settings
from persam_video.sam import load_sam
from persam_video.util.timing import StageClock


@pytest.fixture(scope="module")
def model():
    return load_sam("lite", device="cpu", precision="fp32", image_size=128)


def test_every_stage_of_a_frame_has_its_line(model):
    scene = balls(2, LEARNED + 1, size=(128, 96))
    assert set(track(model, scene, StageClock())) == set(ORDER)


def test_more_objects_cost_more_to_predict_but_nothing_more_to_encode(model):
    scene = balls(4, LEARNED + 1, size=(128, 96), across=0.7)
    together = replace(scene, labels=np.minimum(scene.labels, 1))
    # every mask is refined, and the whole frame is shown however sure the model is
    every = load_settings("persam", {"cascade.sure": None, "zoom.limit": 1.0})
    one, four = operations(model, together, every), operations(model, scene, every)
    assert one["encode"] == four["encode"] > 0
    assert one["encode: neck"] == four["encode: neck"] > 0
    assert four["predict: transformer"] == 4 * one["predict: transformer"] > 0
