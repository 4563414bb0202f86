"""The original implementations to compare with, and a small SAM."""

import importlib
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from persam_video.sam.build import build_network
from persam_video.sam.model import ModelInfo, SamModel
from persam_video.sam.network import Sam
from persam_video.sam.registry import ModelSpec, VitDimensions


@pytest.fixture(scope="session")
def import_bare() -> Callable[[str], ModuleType]:
    """Import a module without running the ``__init__`` of its package, which wants torchvision.

    What the module itself takes from torchvision and timm is stood in for: resizing a PIL image is
    all that torchvision does there, and the timm parts matter in training only.
    """

    def load(name: str) -> ModuleType:
        package = name.partition(".")[0]
        spec = find_spec(package)
        if spec is None:
            pytest.skip(f"{package} is not installed")
        with pytest.MonkeyPatch.context() as patch:
            for module in (bare(package, spec.submodule_search_locations), *stand_ins()):
                patch.setitem(sys.modules, module.__name__, module)
            return importlib.import_module(name)

    return load


def bare(name: str, path: Iterable[str]) -> ModuleType:
    package = ModuleType(name)
    package.__path__ = list(path)
    return package


def stand_ins() -> Iterator[ModuleType]:
    members = {
        "torchvision": {},
        "torchvision.transforms": {},
        "torchvision.transforms.functional": {
            "to_pil_image": Image.fromarray,
            "resize": lambda image, size: image.resize(size[::-1], Image.Resampling.BILINEAR),
        },
        "timm": {},
        "timm.models": {},
        "timm.models.layers": {
            "DropPath": nn.Identity,
            "to_2tuple": lambda value: (value, value),
            "trunc_normal_": nn.init.trunc_normal_,
        },
        "timm.models.registry": {"register_model": lambda function: function},
    }
    for name, values in members.items():
        module = ModuleType(name)
        vars(module).update(values)
        yield module


@pytest.fixture(scope="session")
def nano() -> ModelSpec:
    """SAM with a very small image encoder."""
    return ModelSpec("nano", "", 1024, VitDimensions(64, 2, 2, (1,)), None, "")


@pytest.fixture(scope="session")
def nano_network(nano: ModelSpec, randomise: Callable[[nn.Module], nn.Module]) -> Sam:
    return randomise(build_network(nano, nano.image_size))


@pytest.fixture(scope="session")
def frame() -> np.ndarray:
    """Give a frame that SAM has to resize and to pad."""
    return np.random.default_rng(0).integers(0, 256, (90, 160, 3), dtype=np.uint8)


@pytest.fixture(scope="session")
def as_model() -> Callable[[Sam], SamModel]:
    """Wrap a network as ``load_sam`` does, in fp32 on the CPU."""
    return lambda network: SamModel(
        network,
        ModelInfo("nano", "", 1024, "cpu", "fp32"),
        torch.device("cpu"),
        torch.float32,
    )
