"""HQ-SAM's weights give what HQ-SAM's own modules give."""

import pytest
import torch

from persam_video.sam.build import build_network, load_sam
from persam_video.sam.checkpoints import load_weights, read_state_dict, recognise
from persam_video.sam.hq import HqSam
from persam_video.sam.prompts import Prompts
from persam_video.sam.registry import MODELS

POINTS = torch.tensor([[[30.0, 40.0], [100.0, 20.0]], [[60.0, 70.0], [10.0, 20.0]]])
LABELS = torch.tensor([[1, 0], [1, 1]])


@pytest.fixture(scope="module")
def network(nano, randomise):
    return randomise(build_network(nano, nano.image_size, hq=True))


def their_masks(original, model, embedding, frame):
    """Return HQ-SAM's single and best of several masks and predicted IoU, prompt by prompt."""
    transform = embedding.transform
    features, early = original.image_encoder(transform.image(frame, model.device))
    for points, labels in zip(transform.coordinates(POINTS), LABELS, strict=True):
        sparse, dense = original.prompt_encoder((points[None], labels[None]), None, None)
        yield [
            original.mask_decoder(
                features,
                original.prompt_encoder.get_dense_pe(),
                sparse,
                dense,
                multimask_output=several,
                hq_token_only=False,
                interm_embeddings=early,
            )
            for several in (False, True)
        ]


@pytest.mark.parametrize(
    "built", ["nano", pytest.param("vit_t", marks=pytest.mark.slow)], ids=["ViT", "TinyViT"]
)
def test_its_masks_are_those_of_its_own_modules(
    import_bare, randomise, as_model, nano, frame, tmp_path, built
):
    torch.manual_seed(0)
    module = import_bare("segment_anything_hq.build_sam")
    if built == "nano":
        shape = nano.encoder
        original = module._build_sam(shape.width, shape.depth, shape.heads, shape.global_blocks)
    else:
        original = module.build_sam_vit_t()
    randomise(original)
    file = tmp_path / "sam_hq.pth"
    torch.save(original.state_dict(), file)
    if built == "nano":
        network = build_network(nano, nano.image_size, hq=True)
        load_weights(network, read_state_dict(file), "nano", file)
        model = as_model(network)
    else:
        model = load_sam(built, file, device="cpu", precision="fp32")

    embedding = model.encode(frame)
    prediction = model.decode(embedding, Prompts(points=POINTS, point_labels=LABELS))
    with torch.inference_mode():
        theirs = list(their_masks(original, model, embedding, frame))
    for ours, iou, (single, best) in zip(prediction.logits, prediction.iou, theirs, strict=True):
        chosen = 1 + int(iou[1:].argmax())
        for index, (logits, score) in ((0, single), (chosen, best)):
            assert torch.allclose(ours[index], logits[0, 0], atol=1e-3)
            assert abs(iou[index] - score[0, 0]) < 1e-4
            assert logits.std() > 0.1


def test_a_window_shows_a_part_of_the_same_masks(network, as_model, frame):
    model = as_model(network)
    embedding = model.encode(frame)
    window = (5, 6, 40, 30)
    whole = Prompts(points=POINTS, point_labels=LABELS)
    part = Prompts(points=POINTS, point_labels=LABELS, windows=torch.tensor([window] * 2))
    x0, y0, x1, y1 = (4 * side for side in window)
    expected, found = (model.decode(embedding, prompts).logits for prompts in (whole, part))
    inside = (..., slice(y0, y1), slice(x0, x1))
    assert torch.allclose(found[inside], expected[inside], atol=1e-4)


@pytest.mark.parametrize("hq", [True, False])
def test_the_file_decides_whether_it_is_hq_sam(tmp_path, frame, hq):
    made = build_network(MODELS["vit_t"], 1024, hq=hq)
    file = tmp_path / "weights.pth"
    torch.save(made.state_dict(), file)
    assert recognise(made.state_dict()) == "vit_t"
    model = load_sam("vit_t", file, device="cpu", precision="bf16")
    assert isinstance(model.network, HqSam) == hq
    assert (model.encode(frame).skips is not None) == hq
