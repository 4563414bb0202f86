"""Scores on PerSeg: how well each object is found from its reference photo."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persam_video.config import Settings, load_settings
from persam_video.errors import DatasetError
from persam_video.images.one_shot import OneShotSegmenter, check_settings
from persam_video.images.reference_files import Reference
from persam_video.images.search import Search
from persam_video.perseg.dataset import PerSegDataset, PerSegObject
from persam_video.perseg.metrics import Overlap, ScoredImage, boundary_overlap
from persam_video.sam.build import load_model
from persam_video.sam.model import ModelInfo, SamModel
from persam_video.util.atomic import write_output


@dataclass(frozen=True)
class PerSegObjectScore:
    """The scores of one object, over all of its images but the reference photos.

    Pixels are summed over the images before they are divided, as in PerSAM's evaluation, so that
    the images in which the object is large count for more.

    Attributes:
        name: the object.
        images: how many were segmented.
        iou: intersection over union, 0 to 1.
        boundary_iou: the same of the boundary regions.
    """

    name: str
    images: int
    iou: float
    boundary_iou: float


@dataclass(frozen=True)
class PerSegScore:
    """The scores of a dataset.

    Attributes:
        objects: in the dataset's order.
        model: what segmented them.
    """

    objects: tuple[PerSegObjectScore, ...]
    model: ModelInfo

    @property
    def iou(self) -> float:
        """Mean of the objects' IoU (mIoU)."""
        return float(np.mean([scored.iou for scored in self.objects]))

    @property
    def boundary_iou(self) -> float:
        """Mean of the objects' boundary IoU."""
        return float(np.mean([scored.boundary_iou for scored in self.objects]))


def evaluate_perseg(
    dataset: PerSegDataset,
    *,
    settings: Settings | None = None,
    model: SamModel | None = None,
    on_image: Callable[[ScoredImage], None] = lambda _: None,
    on_object: Callable[[PerSegObjectScore], None] = lambda _: None,
) -> PerSegScore:
    """Segment every image of a dataset from its object's reference photos, and score the masks.

    Every image shows its object, so a mask counts however low its score.

    Args:
        dataset: the objects.
        settings: the preset ``images`` when not given.
        model: a loaded model; loaded by the settings when not given.
        on_image: called after every image.
        on_object: called when an object is done.

    Raises:
        PersamVideoError: the model, a setting or a file of the dataset cannot be used.
    """
    settings = settings or load_settings("images")
    check_settings(settings)
    model = model or load_model(settings)
    scores: list[PerSegObjectScore] = []
    for shown in dataset:
        scores.append(_score(shown, model, settings, on_image))
        on_object(scores[-1])
    return PerSegScore(tuple(scores), model.info)


def write_json(score: PerSegScore, path: Path) -> None:
    """Write the scores in full precision.

    Raises:
        OutputError: the file cannot be written.
    """
    write_output(path, f"{json.dumps(figures(score), indent=2)}\n".encode())


def figures(score: PerSegScore) -> dict[str, Any]:
    """Return what ``write_json`` writes, in the types of JSON."""
    return {
        "mIoU": score.iou,
        "boundary IoU": score.boundary_iou,
        "objects": {
            scored.name: {
                "IoU": scored.iou,
                "boundary IoU": scored.boundary_iou,
                "images": scored.images,
            }
            for scored in score.objects
        },
        "model": {"name": score.model.name, "sha256": score.model.sha256},
    }


def _score(
    shown: PerSegObject,
    model: SamModel,
    settings: Settings,
    on_image: Callable[[ScoredImage], None],
) -> PerSegObjectScore:
    references = []
    for pair in shown.references:
        rgb, mask = pair.read()
        if not mask.any():
            raise DatasetError(f"{pair.mask}: has no object, every pixel is 0")
        references.append(Reference(rgb, mask))
    segmenter = OneShotSegmenter(model, references, settings, Search(score=0))
    region, boundary = Overlap(), Overlap()
    for test in shown.tests:
        rgb, truth = test.read()
        found: NDArray[np.bool_] = np.zeros_like(truth)
        for segment in segmenter.segment(rgb):
            found |= segment.mask
        here, edge = Overlap.of(truth, found), boundary_overlap(truth, found)
        on_image(ScoredImage(shown.name, test.image.stem, rgb, truth, found, here.iou, edge.iou))
        region += here
        boundary += edge
    return PerSegObjectScore(shown.name, len(shown.tests), region.iou, boundary.iou)
