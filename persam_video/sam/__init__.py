"""Segment Anything behind one small interface: encode an image once, decode many prompts."""

from persam_video.sam.build import load_sam
from persam_video.sam.model import ImageEmbedding, ModelInfo, SamModel
from persam_video.sam.prompts import MaskPrediction, Prompts

__all__ = ["ImageEmbedding", "MaskPrediction", "ModelInfo", "Prompts", "SamModel", "load_sam"]
