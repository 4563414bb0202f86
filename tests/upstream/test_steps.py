"""The upstream implementation's steps: its own numbers for image PerSAM, and their properties."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from persam_video.masks import read_annotation
from persam_video.persam.confidence import extreme_cells
from persam_video.persam.target import location_confidence, target_embedding
from persam_video.sam.model import ImageEmbedding
from persam_video.sam.prompts import Prompts
from persam_video.sam.transform import InputTransform
from persam_video.upstream.steps import (
    VIDEO_PAINT,
    full_size_similarity,
    mask_box,
    painted_cells,
    predict,
    refine,
)

IMAGE_PAINT = 128
"""Red value of the mask in upstream's image scripts: a cell counts from 97 % coverage on."""


@pytest.fixture
def parity(shared_data):
    return shared_data / "parity"


@pytest.fixture
def expected(parity):
    with np.load(parity / "persam_image.npz") as arrays:
        return dict(arrays)


@pytest.fixture
def target(parity, nano_sam):
    """Target embedding of object 1 of the first frame, pooled as the image script does."""
    davis = parity / "davis"
    image = Image.open(davis / "JPEGImages" / "480p" / "clip" / "00000.jpg").convert("RGB")
    annotation = read_annotation(davis / "Annotations" / "480p" / "clip" / "00000.png")
    embedding = nano_sam.encode(np.asarray(image))
    cells = painted_cells(annotation.mask(1), embedding, IMAGE_PAINT)
    return target_embedding(embedding.features, cells[None].float(), "mean")[0]


@pytest.fixture
def frame_4(parity, nano_sam):
    file = parity / "davis" / "JPEGImages" / "480p" / "clip" / "00004.jpg"
    return nano_sam.encode(np.asarray(Image.open(file).convert("RGB")))


def close(ours, wanted):
    np.testing.assert_allclose(ours.numpy(), wanted, atol=1e-4, rtol=0)


def test_parity_of_the_location_confidence(target, frame_4, expected):
    close(target[None, None], expected["target_embedding"])
    similarity = full_size_similarity(frame_4, target[None])
    points, labels = extreme_cells(similarity, frame_4.transform.frame_size, 1, 1)
    assert points[0].tolist() == expected["points"].tolist()
    assert labels[0].tolist() == expected["labels"].tolist()


def test_parity_of_the_similarity_on_the_grid(target, frame_4, expected):
    similarity = location_confidence(frame_4.features, target[None])
    close(similarity[None], expected["similarity"])


def test_parity_of_the_three_passes_and_the_mask(nano_sam, target, frame_4, expected):
    similarity = full_size_similarity(frame_4, target[None])
    points, labels = extreme_cells(similarity, frame_4.transform.frame_size, 1, 1)
    guidance = Prompts(
        points=points,
        point_labels=labels,
        attention_bias=torch.from_numpy(expected["attn_sim"]),
        target_embedding=target[None, None],
    )
    first = predict(nano_sam, frame_4, guidance, single=True)
    answer = refine(nano_sam, frame_4, guidance, first.low)
    assert len(nano_sam.calls) == 3
    masks = (slice(0, 1), slice(1, 4), slice(1, 4))
    for number, ((_, prompts, found), chosen) in enumerate(
        zip(nano_sam.calls, masks, strict=True), 1
    ):
        close(found.logits[0, chosen], expected[f"step{number}_logits"])
        close(found.iou[0, chosen], expected[f"step{number}_scores"])
        guided = prompts.attention_bias is not None and prompts.target_embedding is not None
        assert guided == (number == 1)
    assert nano_sam.calls[2][1].boxes[0].tolist() == expected["box"].tolist()
    assert answer is not None
    assert np.array_equal((answer.full[0] > 0).numpy(), expected["mask"])


def embedding_of(frame_size, side=64, channels=4, seed=0):
    """An embedding of random features at 16 input pixels a cell."""
    features = torch.randn(
        1, channels, side // 16, side // 16, generator=torch.Generator().manual_seed(seed)
    )
    transform = InputTransform.fit(frame_size, side, None)
    return ImageEmbedding(features, transform, features)


@pytest.mark.parametrize(
    ("paint", "columns", "counts"),
    [
        # a cell is 16 columns wide; bilinear sampling looks at its two middle columns, 7 and 8
        (IMAGE_PAINT, 8, False),
        (IMAGE_PAINT, 9, True),
        (VIDEO_PAINT, 8, False),
        (VIDEO_PAINT, 9, True),
        (255, 8, True),
    ],
)
def test_the_painted_value_is_a_threshold_on_coverage(paint, columns, counts):
    mask = np.zeros((64, 64), np.bool_)
    mask[16:32, 16 : 16 + columns] = True
    cells = painted_cells(mask, embedding_of((64, 64)), paint)
    wanted = torch.zeros(4, 4, dtype=torch.bool)
    wanted[1, 1] = counts
    assert torch.equal(cells, wanted)


def test_a_tiny_object_has_no_cell():
    mask = np.zeros((64, 64), np.bool_)
    mask[17:20, 17:20] = True
    assert not painted_cells(mask, embedding_of((64, 64))).any()


@given(st.integers(8, 90), st.integers(8, 90), st.integers(0, 1000))
@settings(max_examples=25)
def test_similarity_has_the_shape_of_the_frame(height, width, seed):
    embedding = embedding_of((height, width), seed=seed)
    targets = torch.randn(2, 4, generator=torch.Generator().manual_seed(seed + 1))
    similarity = full_size_similarity(embedding, targets)
    assert similarity.shape == (2, height, width)
    assert similarity.abs().max() <= 1 + 1e-5


def test_a_box_goes_through_the_first_and_the_last_pixels():
    logits = torch.full((9, 12), -1.0)
    assert mask_box(logits) is None
    logits[2:5, 3:11] = 1
    box = mask_box(logits)
    assert box is not None
    assert box.tolist() == [[3, 2, 10, 4]]
