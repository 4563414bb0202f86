import numpy as np
import pytest
import torch
from torch import nn

from persam_video.sam.build import build_network, load_sam
from persam_video.sam.checkpoints import load_weights, read_state_dict
from persam_video.sam.layouts import to_sam_layout
from persam_video.sam.prompts import Prompts
from persam_video.sam.registry import ModelSpec, VitDimensions


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("vision_encoder.pos_embed", "image_encoder.pos_embed"),
        (
            "vision_encoder.patch_embed.projection.bias",
            "image_encoder.patch_embed.proj.bias",
        ),
        (
            "vision_encoder.layers.11.layer_norm2.weight",
            "image_encoder.blocks.11.norm2.weight",
        ),
        ("vision_encoder.neck.layer_norm1.bias", "image_encoder.neck.1.bias"),
        (
            "prompt_encoder.shared_embedding.positional_embedding",
            "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
        ),
        (
            "mask_decoder.transformer.layers.1.layer_norm4.bias",
            "mask_decoder.transformer.layers.1.norm4.bias",
        ),
        (
            "mask_decoder.output_hypernetworks_mlps.3.proj_out.weight",
            "mask_decoder.output_hypernetworks_mlps.3.layers.2.weight",
        ),
        (
            "mask_decoder.iou_prediction_head.layers.0.weight",
            "mask_decoder.iou_prediction_head.layers.1.weight",
        ),
    ],
)
def test_hugging_face_names_become_sam_s(theirs, ours):
    state = {"vision_encoder.pos_embed": torch.zeros(1), theirs: torch.ones(1)}
    assert to_sam_layout(state)[ours] is state[theirs]


def test_sam_s_own_names_stay(nano_network):
    state = nano_network.state_dict()
    assert to_sam_layout(state) is state


@pytest.mark.parametrize("wrapper", ["module.", "sam.", "model.sam."])
def test_the_name_of_a_wrapping_module_is_dropped(nano_network, wrapper):
    """As MedSAM's training on several GPUs, micro-sam's and Lightning's save them."""
    state = nano_network.state_dict()
    wrapped = {wrapper + name: value for name, value in state.items()}
    assert to_sam_layout(wrapped) == state


def test_batch_norms_are_folded_and_the_classifier_is_dropped(randomise):
    stem = nn.Sequential()
    stem.add_module("c", nn.Conv2d(3, 8, 3, bias=False))
    stem.add_module("bn", nn.BatchNorm2d(8))
    randomise(stem)
    prefix = "image_encoder.patch_embed.seq.0"
    state = {f"{prefix}.{name}": value for name, value in stem.state_dict().items()}
    state["image_encoder.head.weight"] = torch.zeros(1)

    converted = to_sam_layout(state)

    assert converted.keys() == {f"{prefix}.weight", f"{prefix}.bias"}
    image = torch.randn(1, 3, 9, 9)
    folded = nn.functional.conv2d(image, *converted.values())
    assert torch.allclose(folded, stem(image), atol=1e-6)


@pytest.fixture
def hugging_face(tmp_path, randomise):
    """Make Hugging Face's model of a small configuration, and its saved weights."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    encoder = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "global_attn_indexes": [1],
        "mlp_dim": 128,
    }
    model = randomise(transformers.SamModel(transformers.SamConfig(vision_config=encoder)))
    model.save_pretrained(tmp_path)
    return model, tmp_path / "model.safetensors"


def test_hugging_face_files_give_what_transformers_gives(hugging_face, as_model, frame):
    theirs, file = hugging_face
    spec = ModelSpec("small", "", 1024, VitDimensions(32, 2, 2, (1,)), None, "")
    network = build_network(spec, spec.image_size)
    load_weights(network, read_state_dict(file), spec.name, file)
    model = as_model(network)

    embedding = model.encode(frame)
    points, labels = torch.tensor([[[30.0, 40.0], [100.0, 20.0]]]), torch.tensor([[1, 0]])
    box = torch.tensor([[10.0, 20.0, 120.0, 80.0]])
    prediction = model.decode(embedding, Prompts(points=points, point_labels=labels, boxes=box))

    transform = embedding.transform
    with torch.inference_mode():
        expected = theirs(
            pixel_values=transform.image(frame, model.device),
            input_points=transform.coordinates(points)[:, None],
            input_labels=labels[:, None],
            input_boxes=transform.coordinates(box.view(1, 2, 2)).view(1, 1, 4),
        )
        features = theirs.get_image_embeddings(transform.image(frame, model.device))

    assert torch.allclose(embedding.features, features, atol=1e-4)
    assert torch.allclose(prediction.logits[:, 1:], expected.pred_masks[0], atol=1e-3)
    assert torch.allclose(prediction.iou[:, 1:], expected.iou_scores[0], atol=1e-4)


def test_either_name_of_the_shared_tensor_serves(hugging_face):
    theirs, _ = hugging_face
    state = theirs.state_dict()
    names = [name for name in state if name.endswith("positional_embedding")]
    assert len(names) == 2
    for dropped in names:
        rest = {name: value for name, value in state.items() if name != dropped}
        assert to_sam_layout(rest).keys() == to_sam_layout(state).keys()


def test_mobile_sam_s_file_gives_what_its_own_modules_give(import_bare, randomise, tmp_path, frame):
    torch.manual_seed(0)
    original = randomise(import_bare("mobile_sam.build_sam").build_sam_vit_t())
    file = tmp_path / "mobile_sam.pt"
    torch.save(original.state_dict(), file)

    model = load_sam("vit_t", file, device="cpu", precision="fp32")
    embedding = model.encode(frame)
    box = torch.tensor([[10.0, 20.0, 120.0, 80.0]])
    prediction = model.decode(embedding, Prompts(boxes=box))

    transform = embedding.transform
    with torch.inference_mode():
        features = original.image_encoder(transform.image(frame, model.device))
        sparse, dense = original.prompt_encoder(
            points=None, boxes=transform.coordinates(box.view(1, 2, 2)), masks=None
        )
        logits, iou = original.mask_decoder.predict_masks(
            features, original.prompt_encoder.get_dense_pe(), sparse, dense
        )

    assert embedding.features.shape == (1, 256, 64, 64)
    assert (embedding.features - features).abs().max() < 1e-4
    assert features.std() > 0.1
    assert torch.allclose(prediction.logits, logits, atol=1e-3)
    assert torch.allclose(prediction.iou, iou, atol=1e-4)
    assert np.isfinite(prediction.logits.numpy()).all()
