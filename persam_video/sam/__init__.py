"""Segment Anything behind one small interface: encode an image once, decode many prompts."""

from typing import TYPE_CHECKING

from persam_video.util.lazy import lazy_names

if TYPE_CHECKING:
    from persam_video.sam.build import load_sam
    from persam_video.sam.model import ImageEmbedding, ModelInfo, SamModel
    from persam_video.sam.prompts import MaskPrediction, Prompts

__all__ = ["ImageEmbedding", "MaskPrediction", "ModelInfo", "Prompts", "SamModel", "load_sam"]

__getattr__ = lazy_names(
    __name__,
    {
        "persam_video.sam.build": ("load_sam",),
        "persam_video.sam.model": ("ImageEmbedding", "ModelInfo", "SamModel"),
        "persam_video.sam.prompts": ("MaskPrediction", "Prompts"),
    },
)
