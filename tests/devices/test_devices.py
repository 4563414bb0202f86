"""Everything that computes with a model, on devices that are not there."""

import copy
from dataclasses import fields, is_dataclass, replace
from itertools import islice

import numpy as np
import pytest
import torch
from PIL import Image

from persam_video.config import load_settings
from persam_video.images import OneShotSegmenter, Reference, Search
from persam_video.masks import boxes_of_labels, read_label_png, write_label_png
from persam_video.prompting import ObjectPrompts, annotate
from persam_video.run import track_to_folder
from persam_video.run.tracker_factory import make_tracker
from persam_video.sam import load_sam
from persam_video.sam.build import build_network
from persam_video.sam.model import SamModel
from persam_video.sam.prompts import Prompts
from persam_video.sam.registry import ModelSpec, VitDimensions, model_spec
from persam_video.sam.transform import InputTransform
from persam_video.synthetic import demo
from persam_video.tracking.snapshot import Snapshot, read_snapshot, write_snapshot


@pytest.fixture(scope="module")
def frames():
    """Frames whose sides are no multiples of the model's input."""
    return [(rgb[:350], labels[:350]) for rgb, labels in islice(demo().frames(), 3)]


def load(device: str) -> SamModel:
    return load_sam("lite", device=device, precision="fp32", image_size=256)


def track(model, frames, settings):
    tracker = make_tracker(model, settings)
    results = [
        tracker.step(rgb, labels if number == 0 else None)
        for number, (rgb, labels) in enumerate(frames)
    ]
    return tracker, results


def tensors_of(value):
    """Give the tensors in a data class or a sequence."""
    if isinstance(value, torch.Tensor):
        yield value
    elif is_dataclass(value):
        for field in fields(value):
            yield from tensors_of(getattr(value, field.name))
    elif isinstance(value, tuple | list):
        for part in value:
            yield from tensors_of(part)


def test_the_pretended_device_is_as_strict_as_a_real_one(device):
    there, here = torch.ones(3, device=device), torch.ones(3)
    assert (there * 2).device.type == torch.zeros_like(there).device.type == device
    assert (there + torch.tensor(2.0)).tolist() == [3, 3, 3]  # numbers may come from anywhere
    assert here.to(device, torch.float16).device.type == device
    assert (here + 1).device.type == there.cpu().device.type == "cpu"
    assert np.array_equal(there.cpu().numpy(), here.numpy())
    with pytest.raises(RuntimeError, match="same device"):
        there + here
    with pytest.raises(RuntimeError, match="same device"):
        torch.stack([there, here])
    with pytest.raises(TypeError, match="numpy"):
        there.numpy()
    with pytest.raises(TypeError, match="numpy"):
        np.asarray(there)


@pytest.mark.parametrize("device", ["mps"], indirect=True)
def test_the_pretended_mps_has_its_limits(device):
    image = torch.ones(1, 1, 9, 9, device=device)
    with pytest.raises(RuntimeError, match="divisible"):
        torch.nn.functional.interpolate(image, (4, 4), mode="area")
    with pytest.raises(RuntimeError, match="divisible"):
        torch.nn.functional.adaptive_avg_pool2d(image, (4, 4))
    with pytest.raises(TypeError, match="float64"):
        image.double()


@pytest.mark.parametrize(
    ("preset", "overrides"),
    [
        ("persam", {}),
        ("persam", {"guidance.attention": True, "prompts.mask": True, "prior.motion": 0.5}),
        ("persam_f", {"weights.steps": 3}),
        ("upstream", {}),
        ("upstream_f", {"weights.steps": 3}),
    ],
    ids=str,
)
def test_objects_are_tracked_as_on_the_cpu(device, frames, preset, overrides):
    settings = load_settings(preset, overrides)
    _, expected = track(load("cpu"), frames, settings)
    _, results = track(load(device), frames, settings)
    for one, other in zip(results, expected, strict=True):
        assert np.array_equal(one.labels, other.labels)
        # on the CPU, the encoder's convolutions are other ones: the same up to rounding
        scores = [pytest.approx(o.score, abs=1e-5) for o in other.objects]
        assert [o.score for o in one.objects] == scores
        assert _unscored(one) == _unscored(other)


def _unscored(result):
    return [replace(o, score=0.0) for o in result.objects]


NANO = ModelSpec("nano", "", 256, VitDimensions(64, 2, 2, (1,)), None, "")


def _features(network, size, precision, device, frame):
    encoder = copy.deepcopy(network.image_encoder)
    transform = InputTransform.fit(frame.shape[:2], size, None)
    image = transform.image(frame, torch.device(device)).to(precision)
    with torch.inference_mode():
        features = encoder.to(device, precision)(image)
    assert features.device.type == device
    return features.float().cpu()


@pytest.mark.parametrize("spec", [NANO, model_spec("vit_t")], ids=["vit", "TinyViT"])
def test_images_are_encoded_as_on_the_cpu(device, frames, randomise, spec):
    network = randomise(build_network(spec, spec.image_size))
    on_cpu, there = (
        _features(network, spec.image_size, torch.float32, place, frames[0][0])
        for place in ("cpu", device)
    )
    assert torch.equal(there, on_cpu)


def test_images_are_encoded_in_bf16_as_closely_as_on_the_cpu(device, frames, randomise):
    """The CPU adds a ViT's biases as a mask, a GPU takes them into the product: either rounds."""
    network = randomise(build_network(NANO, NANO.image_size))
    exact, on_cpu, there = (
        _features(network, NANO.image_size, precision, place, frames[0][0])
        for place, precision in (
            ("cpu", torch.float32),
            ("cpu", torch.bfloat16),
            (device, torch.bfloat16),
        )
    )
    for rounded in (on_cpu, there):
        assert 0 < (rounded - exact).abs().mean() < 0.02  # the features' deviation is 1


def test_what_is_remembered_stays_on_the_device(device, frames, tmp_path):
    settings = load_settings("persam_f", {"weights.steps": 3})
    model = load(device)
    tracker, _ = track(model, frames, settings)
    write_snapshot(tmp_path / "state", Snapshot(3, 2, tracker.state()))
    like = model.encode(frames[0][0])
    stored = read_snapshot(tmp_path / "state", like, fitted=True, values=model.value_layout).state
    for state in (tracker.state(), stored):
        found = list(tensors_of(state.objects))
        assert len(found) > 5
        assert all(tensor.device.type == device for tensor in found)
    other = make_tracker(model, settings)
    other.restore(stored)
    rgb, labels = frames[0]
    assert np.array_equal(other.step(rgb).labels, tracker.step(rgb).labels)
    corrected = tracker.correct(1, labels == 1)
    assert corrected.objects[0].area == (labels == 1).sum()


def test_objects_of_photos_are_found_as_on_the_cpu(device, frames):
    (rgb, labels), (other, _) = frames[0], frames[2]
    for search in (Search(), Search(max_objects=2, score=0)):
        on_cpu, there = (
            OneShotSegmenter(load(place), [Reference(rgb, labels)], search=search).segment(other)
            for place in ("cpu", device)
        )
        assert [segment.label for segment in there] == [segment.label for segment in on_cpu]
        for one, two in zip(there, on_cpu, strict=True):
            assert np.array_equal(one.mask, two.mask)


def test_prompts_are_understood_as_on_the_cpu(device, frames):
    rgb, labels = frames[0]
    x0, y0, x1, y1 = boxes_of_labels(labels, [1])[1]
    prompts = [
        ObjectPrompts(1, box=(float(x0), float(y0), float(x1), float(y1))),
        ObjectPrompts(2, points=((200.0, 180.0),), background=((5.0, 5.0),)),
    ]
    on_cpu, there = (annotate(load(place), rgb, prompts).labels for place in ("cpu", device))
    assert np.array_equal(there, on_cpu)


def test_objects_are_decoded_in_parts_when_memory_is_short(device, frames, monkeypatch):
    model = load(device)
    embedding = model.encode(frames[0][0])
    boxes = torch.tensor([[10.0, 10, 90, 90], [50, 60, 200, 300], [0, 0, 60, 50]]).to(device)
    expected = model.decode(embedding, Prompts(boxes=boxes))
    decode = model._decode

    def short(embedding, prompts):
        if len(prompts) > 1:
            raise RuntimeError(f"{device} backend out of memory")
        return decode(embedding, prompts)

    monkeypatch.setattr(model, "_decode", short)
    backend = getattr(torch, device)
    released = []
    monkeypatch.setattr(backend, "empty_cache", lambda: released.append(device))
    answer = model.decode(embedding, Prompts(boxes=boxes))
    torch.testing.assert_close(answer.logits.cpu(), expected.logits.cpu(), atol=1e-4, rtol=1e-4)
    assert released


def test_a_whole_run_gives_the_masks_of_the_cpu(device, frames, tmp_path):
    clip = tmp_path / "clip"
    clip.mkdir()
    for number, (rgb, _) in enumerate(frames):
        Image.fromarray(rgb).save(clip / f"{number:05d}.png")
    first = tmp_path / "first.png"
    write_label_png(first, frames[0][1])
    written = {}
    for place in ("cpu", device):
        settings = {
            "model.image_size": 256,
            "model.device": place,
            "model.precision": "fp32",
        }
        out = tmp_path / place
        record = track_to_folder(clip, first, out, settings=load_settings("persam", settings))
        assert record.source["device"] == place
        written[place] = [read_label_png(file) for file in sorted((out / "masks").iterdir())]
    assert len(written["cpu"]) == 3
    for one, other in zip(written["cpu"], written[device], strict=True):
        assert np.array_equal(one, other)
