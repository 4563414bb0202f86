import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from persam_video.masks.boxes import box_of
from persam_video.persam.cascade import Cascade, mask_boxes
from persam_video.sam.lite import LiteSam
from persam_video.sam.model import ModelInfo, SamModel
from persam_video.sam.prompts import MaskPrediction, Prompts

FRAME = (72, 128)


@pytest.fixture(scope="module")
def model():
    """A small model with random weights, whose masks are arbitrary."""
    torch.manual_seed(0)
    network = LiteSam(128)
    return SamModel(
        network,
        ModelInfo("lite", "", 128, "cpu", "fp32"),
        torch.device("cpu"),
        torch.float32,
    )


@pytest.fixture(scope="module")
def embedding(model):
    return model.encode(np.random.default_rng(0).integers(0, 256, (*FRAME, 3), np.uint8))


def prompts_of(seed, model, embedding, count=2):
    generator = torch.Generator().manual_seed(seed)
    rows, columns = embedding.grid
    return Prompts(
        points=torch.rand(count, 3, 2, generator=generator)
        * torch.tensor([FRAME[1] - 1.0, FRAME[0] - 1.0]),
        point_labels=torch.tensor([[1, 1, 0]] * count),
        attention_bias=torch.rand(count, 1, 1, rows * columns, generator=generator),
        target_embedding=torch.randn(count, 1, embedding.features.shape[1], generator=generator),
        matching=torch.rand(count, 4, rows, columns, generator=generator) * 2 - 1,
    )


@given(
    st.integers(0, 10_000),
    st.integers(0, 2),
    st.booleans(),
    st.none() | st.lists(st.floats(-2, 2), min_size=4, max_size=4),
)
@settings(max_examples=20)
def test_one_finite_mask_for_each_object(model, embedding, seed, passes, matching, weights):
    answer = Cascade(passes, matching=matching).run(
        model,
        embedding,
        prompts_of(seed, model, embedding),
        None if weights is None else torch.tensor(weights).view(2, 2),
    )
    rows, columns = embedding.grid
    assert answer.logits.shape == (2, 1, 4 * rows, 4 * columns)
    assert answer.iou.shape == (2, 1)
    assert torch.isfinite(answer.logits).all()
    assert torch.isfinite(answer.iou).all()


def test_without_refinement_it_is_the_single_mask_or_the_mix(model, embedding):
    prompts = prompts_of(0, model, embedding)
    first = model.decode(embedding, prompts)
    plain = Cascade(passes=0).run(model, embedding, prompts)
    assert torch.equal(plain.logits, first.logits[:, :1])
    assert torch.equal(plain.iou, first.iou[:, :1])
    third = Cascade(passes=0).run(model, embedding, prompts, torch.tensor([[0.0, 1.0]] * 2))
    torch.testing.assert_close(third.logits, first.logits[:, 3:])


class RecordingSam(SamModel):
    """Notes its prompts; its first answer can be made empty for the first object."""

    def watch(self, *, empty=False):
        self.asked, self.empty = [], empty
        return self

    def decode(self, embedding, prompts):
        self.asked.append(prompts)
        answer = super().decode(embedding, prompts)
        if self.empty and len(self.asked) == 1:
            size = answer.logits.abs() + 1
            return MaskPrediction(torch.stack([-size[0], size[1]]), answer.iou)
        return answer


@pytest.fixture
def recorder(model):
    return RecordingSam(
        model.network,
        model.info,
        model.device,
        model.dtype,
    )


@pytest.mark.parametrize(
    ("weights", "boxed"),
    [
        (None, [False, False, True]),  # PerSAM: the box comes with the second refinement
        (torch.tensor([[0.3, 0.3]] * 2), [False, True, True]),  # PerSAM-F: with the first
    ],
)
def test_what_each_pass_is_given(recorder, embedding, weights, boxed):
    prompts = prompts_of(0, recorder, embedding)
    recorder.watch()
    Cascade(passes=2).run(recorder, embedding, prompts, weights)
    assert [asked.boxes is not None for asked in recorder.asked] == boxed
    assert [asked.masks is not None for asked in recorder.asked] == [False, True, True]
    assert [asked.target_embedding is not None for asked in recorder.asked] == [True, False, False]
    assert [asked.attention_bias is not None for asked in recorder.asked] == [True, False, False]


def test_an_object_without_a_mask_is_not_refined(recorder, embedding):
    prompts = prompts_of(0, recorder, embedding)
    recorder.watch(empty=True)
    answer = Cascade(passes=2).run(recorder, embedding, prompts)
    assert (answer.logits[0] < 0).all()
    assert [len(asked) for asked in recorder.asked] == [2, 1, 1]


@given(st.integers(0, 10_000))
@settings(max_examples=20)
def test_boxes_hold_the_mask_in_the_frame(embedding, seed):
    rng = np.random.default_rng(seed)
    rows, columns = (4 * side for side in embedding.grid)
    top, left = rng.integers(0, (FRAME[0] // 4, columns))
    logits = torch.full((1, rows, columns), -1.0)
    logits[0, top : top + rng.integers(1, 9), left : left + rng.integers(1, 9)] = 1.0
    x0, y0, x1, y1 = mask_boxes(logits, embedding)[0].tolist()
    assert 0 <= x0 < x1 <= FRAME[1]
    assert 0 <= y0 < y1 <= FRAME[0]
    full = embedding.transform.restore(logits[None])[0, 0] > 0
    box = box_of(full.numpy())
    assert box is not None
    # a pixel of the low-resolution mask is 4 of the frame here
    np.testing.assert_allclose((x0, y0, x1, y1), box, atol=4)


def test_only_masks_that_the_model_is_not_sure_of_are_refined(model, embedding, recorder):
    prompts = prompts_of(5, model, embedding, count=3)
    first = Cascade(passes=0).run(model, embedding, prompts)
    middle = float(first.iou.median())
    wanted = (first.iou[:, 0] < middle).tolist()
    assert wanted.count(True) == 1
    recorder.watch()
    answer = Cascade(passes=1, sure=middle).run(recorder, embedding, prompts)
    assert [len(asked) for asked in recorder.asked] == [3, 1]
    everything = Cascade(passes=1).run(model, embedding, prompts)
    for number, refined in enumerate(wanted):
        same = everything if refined else first
        torch.testing.assert_close(answer.logits[number], same.logits[number])
        torch.testing.assert_close(answer.iou[number], same.iou[number])
