"""segment-anything's own SamPredictor and SamModel give the same for the same prompts."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from persam_video.sam.build import load_sam
from persam_video.sam.model import ImageEmbedding, SamModel
from persam_video.sam.prompts import Prompts

POINTS = np.array([[30, 40], [100, 20]], np.float32)
LABELS = np.array([1, 0])
BOX = np.array([10, 20, 120, 80], np.float32)
LOW_RESOLUTION = np.random.default_rng(1).normal(0, 5, (1, 256, 256)).astype(np.float32)


@dataclass(frozen=True)
class Pair:
    """segment-anything's predictor and our model with the same weights and the same frame."""

    predictor: Any
    model: SamModel
    embedding: ImageEmbedding

    def compare(self, given: dict[str, np.ndarray], atol: float) -> None:
        """Compare the embedding, low-resolution and full-size logits, and predicted IoU."""
        assert torch.allclose(self.embedding.features, self.predictor.features, atol=atol)
        prediction = self.model.decode(self.embedding, as_prompts(given))
        full = self.embedding.transform.restore(prediction.logits)
        for multimask, masks in ((False, slice(0, 1)), (True, slice(1, 4))):
            logits, iou, low = self.predictor.predict(
                **given, multimask_output=multimask, return_logits=True
            )
            assert np.abs(prediction.logits[0, masks].numpy() - low).max() < atol
            assert np.abs(prediction.iou[0, masks].numpy() - iou).max() < atol
            assert np.abs(full[0, masks].numpy() - logits).max() < atol
            assert low.std() > 10 * atol


def as_prompts(given: dict[str, np.ndarray]) -> Prompts:
    names = {
        "point_coords": "points",
        "point_labels": "point_labels",
        "box": "boxes",
        "mask_input": "masks",
    }
    return Prompts(**{names[key]: torch.tensor(value)[None] for key, value in given.items()})


@pytest.fixture(scope="module")
def pair(import_bare, frame):
    """Give frame and weights to both."""

    def make(sam, model):
        predictor = import_bare("segment_anything.predictor").SamPredictor(sam)
        predictor.set_image(frame)
        return Pair(predictor, model, model.encode(frame))

    return make


@pytest.fixture(scope="module")
def small(pair, import_bare, nano, nano_network, as_model):
    shape = nano.encoder
    sam = import_bare("segment_anything.build_sam")._build_sam(
        shape.width, shape.depth, shape.heads, shape.global_blocks
    )
    sam.load_state_dict(nano_network.state_dict())
    return pair(sam, as_model(nano_network))


@pytest.mark.parametrize(
    "given",
    [
        {"point_coords": POINTS, "point_labels": LABELS},
        {"box": BOX},
        {"point_coords": POINTS, "point_labels": LABELS, "box": BOX},
        {"point_coords": POINTS, "point_labels": LABELS, "mask_input": LOW_RESOLUTION},
        {"mask_input": LOW_RESOLUTION, "box": BOX},
    ],
    ids="+".join,
)
def test_a_small_encoder(small, given):
    small.compare(given, atol=1e-4)


@pytest.mark.slow
def test_vit_b(pair, import_bare, randomise, tmp_path):
    sam = randomise(import_bare("segment_anything.build_sam").build_sam_vit_b())
    file = tmp_path / "vit_b.pth"
    torch.save(sam.state_dict(), file)
    model = load_sam("vit_b", file, device="cpu", precision="fp32")
    given = {"point_coords": POINTS, "point_labels": LABELS, "mask_input": LOW_RESOLUTION}
    pair(sam, model).compare(given, atol=1e-4)
