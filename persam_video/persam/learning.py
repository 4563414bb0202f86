"""Learn objects from an annotated image."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from persam_video.config import Settings
from persam_video.masks.annotation import Annotation
from persam_video.persam.confidence import extreme_cells
from persam_video.persam.mask_weights import fit_mask_weights
from persam_video.persam.matching import Memory, cell_coverage
from persam_video.persam.readouts import readout_of
from persam_video.persam.seen import Predicted, SeenObjects
from persam_video.persam.target import location_confidence, target_embedding
from persam_video.sam.model import ImageEmbedding, SamModel
from persam_video.sam.prompts import Prompts


@dataclass(frozen=True)
class LearnedObject:
    """One object of an annotated image.

    Attributes:
        object_id: the annotation's label.
        target: (C,) target embedding, not normalised.
        memory: the annotated image.
        mask: (h, w) the annotation at the model's low resolution, 0 to 1.
        weights: (2,) PerSAM-F's mask weights, ``None`` for PerSAM.
    """

    object_id: int
    target: Tensor
    memory: Memory
    mask: Tensor
    weights: Tensor | None


def learn_objects(
    model: SamModel,
    embedding: ImageEmbedding,
    annotation: Annotation,
    settings: Settings,
    step: int = 0,
) -> list[LearnedObject]:
    """Learn the objects of an annotation from its image.

    Args:
        model: the SAM.
        embedding: embedding of the annotated image.
        annotation: annotation of the image's size.
        settings: only ``method``, ``target`` and ``weights`` are used.
        step: number of the image among those that a tracker took.

    Returns:
        One for each id, in order.
    """
    ids = annotation.object_ids
    masks = torch.from_numpy(np.stack([annotation.mask(i) for i in ids]))
    rows, columns = embedding.grid
    soft = embedding.transform.coverage(masks.to(model.device), (4 * rows, 4 * columns))
    coverage = cell_coverage(soft, embedding.grid)
    targets = target_embedding(embedding.features, coverage, settings.target.pooling)
    weights: Tensor | list[None] = [None] * len(ids)
    if settings.method == "persam-f":
        weights = _fit_weights(model, embedding, targets, soft, settings)
    memories = remember(model, embedding, soft, coverage, masks, step)
    return [
        LearnedObject(object_id, targets[n], memories[n], soft[n], weights[n])
        for n, object_id in enumerate(ids)
    ]


def remember(
    model: SamModel,
    embedding: ImageEmbedding,
    masks: Tensor,
    coverage: Tensor,
    source: Tensor | Predicted | None = None,
    step: int = 0,
) -> list[Memory]:
    """Create a frame's memories of its objects.

    Args:
        model: the SAM.
        embedding: of the frame.
        masks: (N, 4h, 4w) soft masks of all objects in the frame, 0 to 1.
        coverage: (N, h, w) share of each cell that they cover.
        source: where the masks are from, see ``persam_video.persam.seen.SeenObjects``; needed by
            a model with SAM 2's memory.
        step: number of the frame among those that the tracker took.

    Returns:
        One for each object.
    """
    readout = readout_of(model)
    values: Sequence[Tensor | None] = [None] * len(masks)
    if readout is not None:
        values = readout.values(embedding, SeenObjects(masks, source))
    extent, keys = embedding.transform.extent, embedding.keys
    return [Memory(keys, c, extent, v, step) for c, v in zip(coverage, values, strict=True)]


def _fit_weights(
    model: SamModel, embedding: ImageEmbedding, targets: Tensor, truth: Tensor, settings: Settings
) -> Tensor:
    """Fit PerSAM-F's weights (N, 2) with one positive point, as PerSAM-F does."""
    similarity = location_confidence(embedding.features, targets)
    cells, labels = extreme_cells(similarity, embedding.inside, 1, 0)
    prompts = Prompts(points=embedding.cell_centres(cells), point_labels=labels)
    logits = model.decode(embedding, prompts).logits[:, 1:]
    fit = settings.weights
    return fit_mask_weights(logits, truth, steps=fit.steps, learning_rate=fit.learning_rate)
