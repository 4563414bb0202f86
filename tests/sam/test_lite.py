import copy

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from persam_video.sam import load_sam
from persam_video.sam.build import build_network
from persam_video.sam.checkpoints import load_weights, read_state_dict
from persam_video.sam.convolutions import FusedConv2d, can_fuse
from persam_video.sam.download import embedded_path
from persam_video.sam.prompts import MaskPrediction, Prompts
from persam_video.sam.registry import model_spec
from persam_video.sam.transform import InputTransform, View, scaled_size
from persam_video.synthetic import demo


@pytest.fixture(scope="module")
def model():
    return load_sam("lite", precision="fp32", image_size=256, device="cpu")


@pytest.fixture(scope="module")
def embedding(model):
    rgb = np.full((120, 200, 3), 90, np.uint8)
    rgb[40:90, 60:130] = (220, 60, 40)
    return model.encode(rgb)


def test_only_the_frame_is_encoded_not_a_square(embedding):
    assert embedding.transform.padded_size == (160, 256)
    assert embedding.features.shape == (1, 256, 10, 16)
    assert embedding.grid == (10, 16)
    assert embedding.inside == (10, 16)
    assert torch.allclose(embedding.keys.norm(dim=1), torch.ones(1, 10, 16), atol=1e-5)


def test_four_masks_and_their_iou_for_each_object(model, embedding):
    points = torch.tensor([[[95.0, 65.0]], [[10.0, 10.0]]])
    answer = model.decode(embedding, Prompts(points=points, point_labels=torch.ones(2, 1)))
    assert answer.logits.shape == (2, 4, 40, 64)
    assert answer.iou.shape == (2, 4)
    assert torch.isfinite(answer.logits).all()


def test_objects_do_not_depend_on_their_company(model, embedding):
    boxes = torch.tensor(
        [[60.0, 40.0, 130.0, 90.0], [0.0, 0.0, 50.0, 50.0], [5.0, 8.0, 199.0, 99.0]]
    )
    together = model.decode(embedding, Prompts(boxes=boxes)).logits
    alone = [model.decode(embedding, Prompts(boxes=box[None])).logits for box in boxes]
    assert torch.allclose(together, torch.cat(alone), atol=1e-3)


@pytest.mark.parametrize("given", ["points", "boxes", "masks", "matching", "target_embedding"])
def test_every_kind_of_prompt_works_by_itself(model, embedding, given):
    rows, columns = embedding.grid
    values = {
        "points": torch.rand(3, 2, 2) * 100,
        "boxes": torch.tensor([[10.0, 10.0, 60.0, 70.0]] * 3),
        "masks": torch.randn(3, 1, 4 * rows, 4 * columns),
        "matching": torch.rand(3, 4, rows, columns),
        "target_embedding": torch.randn(3, 1, 256),
    }
    labels = torch.ones(3, 2) if given == "points" else None
    answer = model.decode(embedding, Prompts(**{given: values[given]}, point_labels=labels))
    assert answer.logits.shape == (3, 4, 4 * rows, 4 * columns)


def test_another_input_size_is_that_of_a_model_made_for_it(model):
    rgb, _ = next(iter(demo().frames()))
    prompts = Prompts(
        points=torch.tensor([[[150.0, 90.0]]]),
        point_labels=torch.ones(1, 1),
        boxes=torch.tensor([[100.0, 50.0, 220.0, 160.0]]),
    )
    small = load_sam("lite", device="cpu", precision="fp32", image_size=256)
    wanted = small.decode(small.encode(rgb), prompts)
    height, width = rgb.shape[:2]
    smaller = View((0, 0, width, height), scaled_size((height, width), 256))
    got = model.decode(model.encode(rgb, smaller), prompts)
    torch.testing.assert_close(got.logits, wanted.logits, rtol=0, atol=1e-3)
    torch.testing.assert_close(got.iou, wanted.iou, rtol=0, atol=1e-4)


def test_a_box_finds_the_plain_object(model, embedding):
    box = torch.tensor([[58.0, 38.0, 132.0, 92.0]])
    answer = model.decode(embedding, Prompts(boxes=box))
    mask = embedding.transform.restore(answer.logits[:, :1])[0, 0] > 0
    truth = torch.zeros(120, 200, dtype=torch.bool)
    truth[40:90, 60:130] = True
    assert (mask & truth).sum() / (mask | truth).sum() > 0.8


@pytest.mark.parametrize(
    "window", [(0, 0, 16, 10), (3, 2, 9, 8), (0, 4, 1, 5), (10, 0, 16, 3)], ids=str
)
def test_a_window_holds_what_the_whole_has_there(model, embedding, window):
    x0, y0, x1, y1 = window
    box = torch.tensor([[58.0, 38.0, 132.0, 92.0]] * 2)
    windows = torch.tensor([[0, 0, 16, 10], window])
    whole = model.decode(embedding, Prompts(boxes=box))
    parts = model.decode(embedding, Prompts(boxes=box, windows=windows))
    torch.testing.assert_close(parts.logits[0], whole.logits[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(parts.iou, whole.iou, atol=1e-4, rtol=0)
    outside = torch.ones(40, 64, dtype=torch.bool)
    outside[4 * y0 : 4 * y1, 4 * x0 : 4 * x1] = False
    for part, all_of_it in zip(parts.logits[1], whole.logits[1], strict=True):
        torch.testing.assert_close(part[~outside], all_of_it[~outside], atol=1e-4, rtol=0)
        assert (part[outside] <= -1).all()
        assert len(part[outside].unique()) <= 1


def test_windows_of_like_sizes_hold_what_each_has_by_itself(model, embedding):
    windows = torch.tensor([[0, 0, 7, 6], [3, 2, 9, 8], [9, 4, 16, 10], [5, 0, 12, 5]])
    boxes = torch.tensor([[58.0, 38.0, 132.0, 92.0], [10.0, 10.0, 60.0, 70.0]] * 2)
    together = model.decode(embedding, Prompts(boxes=boxes, windows=windows)).logits
    for number in range(4):
        one = Prompts(boxes=boxes[number, None], windows=windows[number, None])
        alone = model.decode(embedding, one).logits[0]
        torch.testing.assert_close(together[number], alone, atol=1e-4, rtol=0)


def test_bf16_agrees_with_fp32(embedding, model):
    rgb = np.full((120, 200, 3), 90, np.uint8)
    rgb[40:90, 60:130] = (220, 60, 40)
    half = load_sam("lite", precision="bf16", image_size=256, device="cpu")
    prompts = Prompts(boxes=torch.tensor([[58.0, 38.0, 132.0, 92.0]]))
    exact = model.decode(embedding, prompts).logits[:, 0] > 0
    fast = half.decode(half.encode(rgb), prompts).logits[:, 0] > 0
    assert (exact & fast).sum() / (exact | fast).sum() > 0.95


@pytest.fixture
def encoder():
    """Give the embedded model's encoder as the file holds it."""
    spec = model_spec("lite")
    network = build_network(spec, 256)
    load_weights(network, read_state_dict(embedded_path()), spec.name, embedded_path())
    return network.image_encoder.eval()


@pytest.fixture(scope="module")
def drawn():
    """Give a normalised drawn frame."""
    rgb, _ = next(demo().frames())
    transform = InputTransform.fit(rgb.shape[:2], 256, 32)
    return transform.image(rgb, torch.device("cpu"))


@torch.inference_mode()
def test_the_accelerated_encoder_computes_the_same(encoder, drawn):
    features, fast = encoder(drawn), encoder.accelerated()(drawn)
    pairs = zip(
        (features.embedding, features.keys, *features.skips),
        (fast.embedding, fast.keys, *fast.skips),
        strict=True,
    )
    assert all(torch.allclose(*pair, atol=1e-4) for pair in pairs)
    assert not fast.embedding.equal(features.embedding)  # it really is another computation


@pytest.mark.skipif(not can_fuse(torch.bfloat16), reason="no native bf16")
@torch.inference_mode()
def test_the_accelerated_encoder_computes_the_same_in_bf16(encoder, drawn):
    encoder.backbone.prepare_for_rounding()
    encoder.to(torch.bfloat16, memory_format=torch.channels_last)
    image = drawn.bfloat16().contiguous(memory_format=torch.channels_last)
    features, fast = encoder(image), encoder.accelerated()(image)
    assert any(isinstance(part, FusedConv2d) for part in encoder.accelerated().modules())
    likeness = F.cosine_similarity(features.embedding.float(), fast.embedding.float(), dim=1)
    assert likeness.min() > 0.999


def rounded(encoder):
    return copy.deepcopy(encoder).bfloat16().float()


@torch.inference_mode()
def test_weights_prepared_for_rounding_compute_the_same(encoder, drawn):
    before = encoder(drawn)
    encoder.backbone.prepare_for_rounding()
    after = encoder(drawn)
    assert torch.allclose(after.embedding, before.embedding, atol=1e-4)
    assert torch.allclose(after.keys, before.keys, atol=1e-4)
    assert all(
        torch.allclose(*pair, atol=1e-4) for pair in zip(after.skips, before.skips, strict=True)
    )


@torch.inference_mode()
def test_weights_prepared_for_rounding_survive_it(encoder, drawn):
    exact = encoder(drawn).embedding
    plain = (rounded(encoder)(drawn).embedding - exact).norm() / exact.norm()
    encoder.backbone.prepare_for_rounding()
    prepared = (rounded(encoder)(drawn).embedding - exact).norm() / exact.norm()
    assert prepared < 0.5 * plain
    assert prepared < 0.05


def test_prompts_of_one_object_are_repeated_for_several():
    prompts = Prompts(points=torch.rand(1, 2, 2), point_labels=torch.ones(1, 2)).repeat(3)
    assert len(prompts) == 3
    assert prompts.boxes is None
    assert torch.equal(prompts.points[0], prompts.points[2])


def test_taking_some_objects_keeps_what_is_missing_missing():
    prompts = Prompts(boxes=torch.arange(12.0).view(3, 4))
    taken = prompts.take(torch.tensor([True, False, True]))
    assert len(prompts) == 3
    assert len(taken) == 2
    assert taken.points is None
    assert taken.boxes is not None
    assert taken.boxes.tolist() == [[0, 1, 2, 3], [8, 9, 10, 11]]


def test_the_best_mask_is_that_of_the_highest_iou():
    logits = torch.arange(6.0).view(2, 3, 1, 1)
    best = MaskPrediction(logits, torch.tensor([[0.1, 0.9, 0.3], [0.7, 0.2, 0.1]])).best()
    assert best.logits.flatten().tolist() == [1.0, 3.0]
    assert torch.allclose(best.iou.flatten(), torch.tensor([0.9, 0.7]))
