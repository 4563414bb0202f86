"""Tracking with SAM 2's memory beside transformers' own video models, with random weights."""

import numpy as np
import pytest
import torch

from persam_video.config import load_settings
from persam_video.errors import ConfigError
from persam_video.sam.build import load_sam
from persam_video.sam.transform import InputTransform
from persam_video.tracking.tracker import Tracker
from tests import tiny_sam2

SIDE = tiny_sam2.SIDE


@pytest.fixture(scope="module", params=tiny_sam2.KINDS)
def folder(request, tmp_path_factory):
    """Save a model of each kind."""
    tiny_sam2.require(request.param)
    path = tmp_path_factory.mktemp(request.param)
    tiny_sam2.save(request.param, path)
    return path


@pytest.fixture(scope="module")
def model(folder):
    return load_sam(str(folder), device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def frames():
    """Give twenty frames of the model's own size, which move over a picture of soft spots."""
    noise = torch.rand(1, 3, 12, 16, generator=torch.Generator().manual_seed(0))
    picture = torch.nn.functional.interpolate(noise, (SIDE + 24, SIDE + 44), mode="bicubic")
    pixels = (255 * picture[0].clamp(0, 1)).byte().permute(1, 2, 0).numpy()
    return [pixels[i : i + SIDE, 2 * i : 2 * i + SIDE].copy() for i in range(20)]


@pytest.fixture(scope="module")
def mask():
    labels = np.zeros((SIDE, SIDE), np.uint8)
    labels[6:40, 4:30] = 1
    labels[30:60, 34:60] = 2
    return labels


class Recorder(Tracker):
    """A tracker that keeps what was predicted for every frame."""

    def __init__(self, model, **overrides):
        super().__init__(model, load_settings("sam2", overrides))
        self.predicted = []
        segment = self._segmenter.segment

        def keep(*arguments):
            candidates = segment(*arguments)
            self.predicted.append([one.predicted for one in candidates])
            return candidates

        self._segmenter.segment = keep

    def follow(self, frames, mask):
        for number, frame in enumerate(frames):
            self.step(frame, mask if number == 0 else None)
        seen = self.predicted[1:]
        return (
            torch.stack([torch.cat([one.logits for one in both]) for both in seen]),
            torch.stack([torch.cat([one.presence for one in both]) for both in seen]),
        )


@pytest.fixture(scope="module")
def expected(folder, frames, mask):
    """Propagate both objects by transformers: logits (19, 2, h, w) and presence (19, 2)."""
    import transformers
    from transformers import AutoModel

    theirs = AutoModel.from_pretrained(folder).eval()
    transform = InputTransform.fit((SIDE, SIDE), SIDE, None, stretch=True)
    video = torch.cat([transform.image(frame, torch.device("cpu")) for frame in frames])
    name = type(theirs).__name__.replace("Model", "InferenceSession")
    session = getattr(transformers, name)(
        video=video, video_height=SIDE, video_width=SIDE, dtype=torch.float32
    )
    for object_id in (1, 2):
        shown = torch.from_numpy(mask == object_id).float()[None, None]
        session.add_mask_inputs(session.obj_id_to_idx(object_id), 0, shown)
    session.obj_with_new_inputs = [1, 2]
    theirs(session, frame_idx=0)
    found = list(theirs.propagate_in_video_iterator(session, start_frame_idx=0))[1:]
    logits = torch.stack([one.pred_masks[:, 0] for one in found])
    return logits, torch.stack([one.object_score_logits.flatten() for one in found])


def test_twenty_frames_have_the_logits_of_transformers(model, frames, mask, expected):
    logits, presence = expected
    ours, seen = Recorder(model).follow(frames, mask)
    # objects come and go, and each has masks of its own
    assert (presence > 0).any()
    assert (presence < 0).any()
    assert logits[presence > 0].std() > 0.05
    assert ours.shape == logits.shape
    assert (ours - logits).abs().max() < 1e-4
    assert (seen - presence).abs().max() < 1e-4


def test_it_sees_whole_frames_only(model):
    with pytest.raises(ConfigError, match=r"zoom\.limit to 1"):
        Tracker(model, load_settings("sam2", {"zoom.limit": 2}))


@pytest.mark.parametrize("kept", [4, 13])
def test_each_remembered_frame_counts(model, frames, mask, expected, kept):
    _, presence = Recorder(model, **{"memory.frames": kept}).follow(frames[: kept + 4], mask)
    difference = (presence - expected[1][: len(presence)]).abs().amax(dim=1)
    assert (difference[: kept + 2] < 1e-5).all()
    assert difference[kept + 2] > 1e-4
