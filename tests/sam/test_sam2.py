"""SAM 2.1 beside transformers' own modules, with random weights of a tiny configuration."""

import json
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from persam_video.config import load_settings
from persam_video.errors import ConfigError, ModelError
from persam_video.sam.build import build_network, load_sam
from persam_video.sam.checkpoints import recognise
from persam_video.sam.prompts import Prompts
from persam_video.sam.registry import MODELS, HieraDimensions, ModelSpec
from persam_video.tracking.tracker import Tracker
from tests import tiny_sam2

TINY = ModelSpec(
    "sam2.1-nano", "", 256, HieraDimensions(16, 1, (1, 2, 3, 1), (2, 4, 5)), None, "", "nobody/none"
)
HAS_TRANSFORMERS = find_spec("transformers") is not None
needs_transformers = pytest.mark.skipif(
    not HAS_TRANSFORMERS, reason="transformers is not installed"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, randomise):
    """Save transformers' model of the tiny shape, as its owners would."""
    from transformers import Sam2Config, Sam2Model

    encoder, side = TINY.encoder, TINY.image_size
    widths = [encoder.width * 2**stage for stage in range(4)]
    vision = {
        "model_type": "sam2_vision_model",
        "backbone_config": {
            "model_type": "sam2_hiera_det_model",
            "hidden_size": encoder.width,
            "num_attention_heads": encoder.heads,
            "image_size": [side, side],
            "blocks_per_stage": list(encoder.blocks),
            "embed_dim_per_stage": widths,
            "num_attention_heads_per_stage": [1, 2, 4, 8],
            "global_attention_blocks": list(encoder.global_blocks),
        },
        "backbone_channel_list": widths[::-1],
        "backbone_feature_sizes": [[side // stride] * 2 for stride in (4, 8, 16)],
    }
    torch.manual_seed(0)
    config = Sam2Config(vision_config=vision, prompt_encoder_config={"image_size": side})
    model = randomise(Sam2Model(config))
    # SAM 2 has one matrix, which its files hold under two names
    shared = model.prompt_encoder.shared_embedding.positional_embedding
    model.shared_image_embedding.positional_embedding.copy_(shared)
    path = tmp_path_factory.mktemp("sam2")
    model.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def theirs(folder):
    """Load the saved model as transformers does."""
    from transformers import Sam2Model

    return Sam2Model.from_pretrained(folder).eval()


@pytest.fixture
def ours(folder, monkeypatch):
    """Load it by its folder."""
    monkeypatch.setitem(MODELS, TINY.name, TINY)
    return load_sam(TINY.name, folder, device="cpu", precision="fp32")


POINTS = torch.tensor([[[30.0, 40.0], [100.0, 20.0]]])
LABELS = torch.tensor([[1, 0]])
BOX = torch.tensor([[10.0, 20.0, 120.0, 80.0]])
MASK = torch.linspace(-4, 4, 64 * 64).view(1, 1, 64, 64)


@needs_transformers
@pytest.mark.parametrize(
    "prompts",
    [
        Prompts(points=POINTS, point_labels=LABELS),
        Prompts(boxes=BOX),
        Prompts(points=POINTS, point_labels=LABELS, boxes=BOX),
        Prompts(boxes=BOX, masks=MASK),
        Prompts(masks=MASK),
    ],
    ids=["points", "box", "points and box", "box and mask", "mask"],
)
def test_the_logits_are_those_of_transformers(ours, theirs, frame, prompts):
    embedding = ours.encode(frame)
    prediction = ours.decode(embedding, prompts)

    transform = embedding.transform
    given = {}
    if prompts.points is not None:
        given["input_points"] = transform.coordinates(prompts.points)[:, None]
        given["input_labels"] = prompts.point_labels[:, None]
    if prompts.boxes is not None:
        given["input_boxes"] = transform.coordinates(prompts.boxes.view(1, 2, 2)).view(1, 1, 4)
    with torch.inference_mode():
        expected = theirs(
            pixel_values=transform.image(frame, ours.device), input_masks=prompts.masks, **given
        )

    features = expected.image_embeddings[-1]
    assert features.std() > 0.1
    assert expected.pred_masks.std() > 0.01
    assert torch.allclose(embedding.features, features, atol=1e-5)
    assert torch.allclose(prediction.logits[:, 1:], expected.pred_masks[0], atol=1e-5)
    assert torch.allclose(prediction.iou[:, 1:], expected.iou_scores[0], atol=1e-5)


@needs_transformers
def test_a_frame_is_stretched_to_a_square(ours, frame):
    transform = ours.encode(frame).transform
    assert transform.input_size == transform.padded_size == (256, 256)
    corner = torch.tensor([[160.0, 90.0]])
    assert transform.coordinates(corner).tolist() == [[256.0, 256.0]]
    assert ours.encode(frame).inside == (16, 16)


@needs_transformers
@pytest.mark.parametrize("name", [name for name in MODELS if name.startswith("sam2.1")])
def test_the_sizes_are_told_apart(name):
    with torch.device("meta"):
        state = build_network(MODELS[name], 1024).state_dict()
    assert recognise(state) == name


@needs_transformers
def test_weights_of_single_images_have_no_memory(ours):
    assert ours.network.memory is None
    assert ours.value_layout((16, 16)) is None
    with pytest.raises(ConfigError, match=r"sam2\.1-nano reads none"):
        Tracker(ours, load_settings("sam2", {"model.name": TINY.name}))


@pytest.mark.parametrize("kind", tiny_sam2.KINDS)
def test_single_frames_of_video_models_have_the_logits_of_transformers(kind, tmp_path, frame):
    tiny_sam2.require(kind)
    import transformers

    tiny_sam2.save(kind, tmp_path)
    ours = load_sam(str(tmp_path), device="cpu", precision="fp32")
    name = {"sam2_video": "Sam2Model", "edgetam_video": "EdgeTamModel"}[kind]
    theirs = getattr(transformers, name).from_pretrained(tmp_path).eval()
    embedding = ours.encode(frame)
    prediction = ours.decode(embedding, Prompts(boxes=BOX))
    transform = embedding.transform
    with torch.inference_mode():
        expected = theirs(
            pixel_values=transform.image(frame, ours.device),
            input_boxes=transform.coordinates(BOX.view(1, 2, 2)).view(1, 1, 4),
        )
    assert expected.pred_masks.std() > 0.01
    assert torch.allclose(prediction.logits[:, 1:], expected.pred_masks[0], atol=1e-4)
    assert torch.allclose(prediction.iou[:, 1:], expected.iou_scores[0], atol=1e-5)
    assert torch.allclose(prediction.presence, expected.object_score_logits[0, :, 0], atol=1e-4)


@needs_transformers
def test_the_smallest_size_is_that_of_transformers(ours):
    from transformers import Sam2VisionConfig, Sam2VisionModel

    with torch.device("meta"):
        usual = Sam2VisionModel(Sam2VisionConfig()).state_dict()
        tiny = build_network(MODELS["sam2.1-tiny"], 1024).image_encoder.vision.state_dict()
    assert {name: value.shape for name, value in tiny.items()} == {
        name: value.shape for name, value in usual.items()
    }


@needs_transformers
def test_it_tracks_with_persam(ours):
    settings = load_settings("persam", {"model.name": TINY.name})
    assert settings.guidance.attention
    tracker = Tracker(ours, settings)
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (3, 90, 160, 3), dtype=np.uint8)
    mask = np.zeros((90, 160), np.uint8)
    mask[20:60, 30:90] = 1
    tracker.step(frames[0], mask)
    results = [tracker.step(rgb) for rgb in frames[1:]]
    assert all(result.labels.shape == mask.shape for result in results)
    assert tracker.object_ids == (1,)


@needs_transformers
def test_without_weights_the_download_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        ModelError, match=r"hf download facebook/sam2\.1-hiera-base-plus, or .*FOLD"
    ):
        load_sam("sam2.1-base+", device="cpu")


@needs_transformers
@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, r"holds no config\.json"),
        ("{", "cannot be read as a configuration"),
        ("[]", "a model of the kind 'None'"),
        ('{"model_type": "sam2_video", "num_maskmem": "x"}', "cannot be read as a configuration"),
        ('{"model_type": "sam"}', "a model of the kind 'sam'"),
        ('{"model_type": "sam2_video", "multimask_min_pt_num": 1}', "multimask_min_pt_num 1"),
    ],
)
def test_a_folder_of_something_else_is_refused(tmp_path, config, message):
    (tmp_path / "model.safetensors").write_bytes(b"")
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(ModelError, match=message) as refused:
        load_sam(str(tmp_path), device="cpu")
    assert "\n" not in str(refused.value)


@needs_transformers
@pytest.mark.skipif(find_spec("timm") is not None, reason="timm is installed")
def test_without_timm_the_extra_is_named(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"")
    backbone = {"model_type": "timm_wrapper"}
    vision = {"model_type": "edgetam_vision_model", "backbone_config": backbone}
    config = {"model_type": "edgetam_video", "vision_config": vision}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"persam-video\[edgetam\]"):
        load_sam(str(tmp_path), device="cpu")


@needs_transformers
def test_a_folder_without_weights_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"holds no model\.safetensors"):
        load_sam("sam2.1-tiny", tmp_path, device="cpu")


@pytest.mark.skipif(HAS_TRANSFORMERS, reason="transformers is installed")
def test_without_transformers_the_extra_is_named():
    with pytest.raises(ModelError, match=r"persam-video\[sam2\]"):
        load_sam("sam2.1-tiny", device="cpu")
