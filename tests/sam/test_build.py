from dataclasses import replace

import numpy as np
import pytest
import torch

from persam_video.errors import ModelError
from persam_video.sam.build import build_network, choose_device, choose_precision, load_sam
from persam_video.sam.download import cached_path
from persam_video.sam.prompts import Prompts
from persam_video.sam.registry import MODELS
from persam_video.util.download import file_sha256


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Point the cache to an empty folder."""
    monkeypatch.delenv("TORCH_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory):
    """Save MobileSAM's architecture with random weights."""
    file = tmp_path_factory.mktemp("weights") / "tiny.pth"
    torch.manual_seed(0)
    torch.save(build_network(MODELS["vit_t"], 1024).state_dict(), file)
    return file


@pytest.fixture
def published(tiny_file, monkeypatch):
    """Pretend that these weights are the published ones."""
    spec = MODELS["vit_t"]
    weights = replace(spec.weights, sha256=file_sha256(tiny_file), size=tiny_file.stat().st_size)
    monkeypatch.setitem(MODELS, "vit_t", replace(spec, weights=weights))
    return weights


def test_the_cache_is_torch_hub_s(cache):
    assert cached_path(MODELS["vit_b"].weights) == cache / "sam_vit_b_01ec64.pth"
    assert cached_path(MODELS["vit_t"].weights) == cache / "mobile_sam.pt"


def test_a_checkpoint_is_loaded(tiny_file, cache):
    model = load_sam("vit_t", tiny_file, device="cpu", precision="fp32")
    assert model.info.name == "vit_t"
    assert model.info.sha256 == file_sha256(tiny_file)
    assert model.info.image_size == 1024


def test_the_cached_file_is_found(tiny_file, cache, published):
    cache.mkdir(parents=True)
    (cache / "mobile_sam.pt").write_bytes(tiny_file.read_bytes())
    assert load_sam("vit_t", device="cpu").info.sha256 == published.sha256


@pytest.mark.parametrize("is_weights", [True, False])
def test_another_file_in_the_cache_is_refused_before_it_is_read(tiny_file, cache, is_weights):
    cache.mkdir(parents=True)
    (cache / "mobile_sam.pt").write_bytes(tiny_file.read_bytes() if is_weights else b"garbage")
    with pytest.raises(ModelError, match=r"not the published file.*models download vit_t"):
        load_sam("vit_t", device="cpu")


@pytest.mark.parametrize("name", ["vit_t", "vit_b", "vit_l", "vit_h"])
def test_without_weights_the_command_is_named(cache, name):
    with pytest.raises(ModelError, match=f"persam-video models download {name}, or .*--checkpoint"):
        load_sam(name, device="cpu")


def test_the_embedded_model_needs_nothing(cache):
    model = load_sam(device="cpu", precision="fp32", image_size=256)
    frame = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    boxes = torch.tensor([[20.0, 20.0, 90.0, 80.0]])
    prediction = model.decode(model.encode(frame), Prompts(boxes=boxes))
    assert torch.isfinite(prediction.logits).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "vit_t", "image_size": 512}, "1024 pixels only"),
        ({"model": "lite", "image_size": 500}, "not a multiple of 32"),
        ({"model": "lite", "device": "tpu"}, "unknown device 'tpu'"),
        ({"model": "lite", "precision": "int8"}, "unknown precision 'int8'"),
        ({"model": "sam"}, "unknown model 'sam'"),
    ],
)
def test_what_cannot_be_is_refused(cache, arguments, message):
    with pytest.raises(ModelError, match=message):
        load_sam(**arguments)


def test_the_cpu_is_always_there():
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type in {"cpu", "cuda", "mps"}
    assert choose_precision("auto", torch.device("cpu")) in {"fp32", "bf16"}


@pytest.mark.parametrize(("capability", "precision"), [((7, 5), "fp32"), ((8, 0), "bf16")])
def test_bf16_is_left_to_gpus_that_compute_in_it(monkeypatch, capability, precision):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert choose_precision("auto", torch.device("cuda")) == precision


@pytest.mark.parametrize(
    ("most", "precision"),
    [("", "bf16"), ("AVX512_CORE_BF16", "bf16"), ("AVX2", "fp32"), ("avx512_core", "fp32")],
)
def test_bf16_is_left_to_cpus_that_compute_in_it(monkeypatch, most, precision):
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", most)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert choose_precision("auto", torch.device("cpu")) == precision
