"""Evaluation on PerSeg, the dataset of PerSAM."""

from typing import TYPE_CHECKING

from persam_video.util.lazy import lazy_names

if TYPE_CHECKING:
    from persam_video.perseg.dataset import PerSegDataset, PerSegObject
    from persam_video.perseg.evaluation import PerSegObjectScore, PerSegScore, evaluate_perseg

__all__ = ["PerSegDataset", "PerSegObject", "PerSegObjectScore", "PerSegScore", "evaluate_perseg"]

__getattr__ = lazy_names(
    __name__,
    {
        "persam_video.perseg.dataset": ("PerSegDataset", "PerSegObject"),
        "persam_video.perseg.evaluation": ("PerSegObjectScore", "PerSegScore", "evaluate_perseg"),
    },
)
