"""segment-anything's own modules, imported without torchvision.

``segment_anything/__init__.py`` imports its automatic mask generator, which needs torchvision; the
network modules do not. They are imported here under an empty stand-in package, which is removed
afterwards, so that a later ``import segment_anything`` works as usual.
"""

import importlib
import importlib.util
import sys
from types import ModuleType

from persam_video.errors import ModelError

_PACKAGE = "segment_anything"


def _import_modeling() -> ModuleType:
    if _PACKAGE in sys.modules:
        return importlib.import_module(f"{_PACKAGE}.modeling")
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.submodule_search_locations is None:
        raise ModelError(
            "the package segment-anything is not installed: pip install segment-anything"
        )
    bare = ModuleType(_PACKAGE)
    bare.__path__ = list(spec.submodule_search_locations)
    sys.modules[_PACKAGE] = bare
    try:
        return importlib.import_module(f"{_PACKAGE}.modeling")
    finally:
        del sys.modules[_PACKAGE]


modeling = _import_modeling()

ImageEncoderViT = modeling.ImageEncoderViT
MaskDecoder = modeling.MaskDecoder
MLP = sys.modules[f"{_PACKAGE}.modeling.mask_decoder"].MLP
PromptEncoder = modeling.PromptEncoder
TwoWayTransformer = modeling.TwoWayTransformer

_transformer = sys.modules[f"{_PACKAGE}.modeling.transformer"]
Attention = _transformer.Attention
TwoWayAttentionBlock = _transformer.TwoWayAttentionBlock
LayerNorm2d = sys.modules[f"{_PACKAGE}.modeling.common"].LayerNorm2d

_image_encoder = sys.modules[f"{_PACKAGE}.modeling.image_encoder"]
ViTAttention = _image_encoder.Attention
get_rel_pos = _image_encoder.get_rel_pos
