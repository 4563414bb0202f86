"""Evaluation on PerSeg, the dataset of PerSAM."""

from persam_video.perseg.dataset import PerSegDataset, PerSegObject
from persam_video.perseg.evaluation import ObjectScore, PerSegScore, evaluate

__all__ = ["ObjectScore", "PerSegDataset", "PerSegObject", "PerSegScore", "evaluate"]
