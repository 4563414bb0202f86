"""The models that the tool knows by name."""

import difflib
from dataclasses import dataclass

from persam_video.errors import ModelError


@dataclass(frozen=True)
class VitDimensions:
    """Shape of segment-anything's image encoder.

    Attributes:
        width: channels of the transformer.
        depth: number of its blocks.
        heads: attention heads in each.
        global_blocks: blocks with global instead of windowed attention.
    """

    width: int
    depth: int
    heads: int
    global_blocks: tuple[int, ...]


@dataclass(frozen=True)
class ModelSpec:
    """One model.

    Attributes:
        name: as given to ``--model``.
        description: for people.
        image_size: the input's long side, in pixels.
        vit: shape of the image encoder; ``None`` for the embedded model.
    """

    name: str
    description: str
    image_size: int
    vit: VitDimensions | None


# Kirillov et al., "Segment Anything", ICCV 2023; the dimensions are those of segment-anything's
# own builders
MODELS = {
    spec.name: spec
    for spec in (
        ModelSpec("lite", "embedded small SAM (MobileNetV2), ships with the package", 768, None),
        ModelSpec("vit_b", "SAM ViT-B", 1024, VitDimensions(768, 12, 12, (2, 5, 8, 11))),
        ModelSpec("vit_l", "SAM ViT-L", 1024, VitDimensions(1024, 24, 16, (5, 11, 17, 23))),
        ModelSpec("vit_h", "SAM ViT-H", 1024, VitDimensions(1280, 32, 16, (7, 15, 23, 31))),
    )
}


def model_spec(name: str) -> ModelSpec:
    """Look a model up.

    Raises:
        ModelError: no model has that name.
    """
    if name in MODELS:
        return MODELS[name]
    close = difflib.get_close_matches(name, MODELS, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    raise ModelError(f"unknown model '{name}': choose one of {', '.join(MODELS)}.{hint}")
