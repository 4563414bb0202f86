"""Evaluation on PerSeg, the dataset of PerSAM."""

from persam_video.perseg.dataset import PerSegDataset, PerSegObject
from persam_video.perseg.evaluation import PerSegObjectScore, PerSegScore, evaluate_perseg

__all__ = ["PerSegDataset", "PerSegObject", "PerSegObjectScore", "PerSegScore", "evaluate_perseg"]
