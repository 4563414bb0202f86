"""Other people's trackers, from a checkout of theirs, with random weights."""

import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from eval.speed.scenes import Scene
from eval.speed.timing import Spent
from persam_video.errors import ConfigError


class Cutie:
    """Cutie-small (Cheng et al., CVPR 2024) in fp32 on the CPU; needs ``omegaconf``.

    Args:
        checkout: of https://github.com/hkchengrex/Cutie.
    """

    def __init__(self, checkout: Path) -> None:
        folder = checkout / "cutie" / "config"
        if not folder.is_dir():
            raise ConfigError(f"{checkout} is no checkout of Cutie: it has no cutie/config")
        sys.path.append(str(checkout))
        try:
            configs = import_module("omegaconf").OmegaConf
            resnet: Any = import_module("cutie.model.utils.resnet")
            network = import_module("cutie.model.cutie").CUTIE
            self._core = import_module("cutie.inference.inference_core").InferenceCore
        except ImportError as error:
            raise ConfigError(
                f"Cutie cannot be imported ({error}): install what it needs"
            ) from None
        # its networks begin with weights from the internet, which take as long as random ones
        resnet.model_zoo = SimpleNamespace(load_url=lambda *_, **__: {})
        resnet.load_weights_add_extra_dim = lambda *_: None
        config = configs.load(folder / "eval_config.yaml")
        parts = [configs.load(folder / "model" / f"{name}.yaml") for name in ("base", "small")]
        chosen = {"model": configs.merge(*parts), "use_long_term": False, "mem_every": 5}
        self._config = configs.merge(config, chosen)
        torch.manual_seed(0)
        self._network = network(self._config).eval()

    @torch.inference_mode()
    def follow(self, scene: Scene) -> Spent:
        """Segment every frame after the first, frame by frame."""
        core = self._core(self._network, cfg=self._config)
        ids = list(range(1, int(scene.labels.max()) + 1))
        for number, rgb in enumerate(scene.frames):
            image = torch.from_numpy(rgb).permute(2, 0, 1).float() / 255
            if number:
                found = core.step(image)
                found.argmax(dim=0)
            else:
                core.step(image, torch.from_numpy(scene.labels).long(), ids)
        return Spent()
