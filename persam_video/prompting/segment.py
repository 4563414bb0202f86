"""Turning boxes and points into the annotation of a frame with SAM."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from persam_video.errors import AnnotationError
from persam_video.masks.annotation import Annotation
from persam_video.masks.components import keep_large, keep_nearest, keep_overlapping
from persam_video.masks.labels import merge_logits
from persam_video.prompting.prompts import ObjectPrompts, PixelPrompts
from persam_video.sam.model import ImageEmbedding, SamModel
from persam_video.sam.prompts import Prompts
from persam_video.sam.transform import OUTSIDE

_REFINEMENTS = 2
"""How often the embedded model is shown what it answered; another SAM is shown it once."""

_SURE = 8.0
"""Logit of what is surely the object, in a mask that is shown to a SAM."""

_SPECK = 0.02
"""Components below this share of the largest are removed, as the tracker does."""


@torch.inference_mode()
def annotate(
    model: SamModel,
    rgb: NDArray[np.uint8],
    prompts: Sequence[ObjectPrompts],
    *,
    embedding: ImageEmbedding | None = None,
    previous: NDArray[np.bool_] | None = None,
    refine: bool = True,
) -> Annotation:
    """Segment the objects that boxes and points name, and merge them by their logits.

    The model is prompted again with its own logits as mask prompt. Of a SAM's three masks,
    the one with the highest predicted IoU is taken; the embedded model was trained to answer clicks
    and boxes with its single mask.

    Args:
        model: the SAM.
        rgb: uint8 (H, W, 3).
        prompts: one for each object.
        embedding: embedding of the frame, if it is encoded already.
        previous: bool (H, W), the mask to correct; for a single object only,
            whose points may then all be beside it.
        refine: whether the model is asked again; without, a mask takes a third of the time and is
            coarser.

    Raises:
        AnnotationError: a prompt does not fit the frame, or gives an empty mask.
    """
    if not prompts:
        raise AnnotationError("nothing to annotate: give a box or a point for each object")
    size = (rgb.shape[0], rgb.shape[1])
    placed = [prompt.in_pixels(size, corrects=previous is not None) for prompt in prompts]
    embedding = embedding or model.encode(rgb)
    again = 0
    if refine:
        again = _REFINEMENTS if model.readout is not None else 1
    logits = np.stack([_segment(model, embedding, prompt, previous, again) for prompt in placed])
    labels = merge_logits(logits, [prompt.object_id for prompt in placed])
    for prompt in placed:
        mask = labels == prompt.object_id
        if not mask.any():
            raise AnnotationError(
                f"object {prompt.object_id}: its prompts give an empty mask; draw the box closer, "
                "or add a point in the middle of the object"
            )
        labels[mask & ~_meant(mask, prompt, previous)] = 0
    return Annotation.from_labels(labels)


def _meant(
    mask: NDArray[np.bool_], prompts: PixelPrompts, previous: NDArray[np.bool_] | None
) -> NDArray[np.bool_]:
    """Return the components of a mask that its prompts mean.

    After points alone, look-alikes elsewhere in the picture are often part of the answer: only
    what is clicked is meant, and what was in the mask before.
    """
    if prompts.box is not None or not prompts.points:
        return keep_large(mask, _SPECK)
    clicked = keep_nearest(mask, *prompts.points)
    if previous is None:
        return clicked
    return clicked | keep_overlapping(keep_large(mask, _SPECK), previous)


def _segment(
    model: SamModel,
    embedding: ImageEmbedding,
    prompts: PixelPrompts,
    previous: NDArray[np.bool_] | None,
    again: int,
) -> NDArray[np.float32]:
    """Return logits (H, W) of one object, restricted to its box.

    Args:
        model: the SAM.
        embedding: embedding of the frame.
        prompts: prompts of the object.
        previous: bool (H, W), the mask to correct.
        again: how often the model is shown what it answered.
    """
    asked = _as_prompts(prompts, model.device)
    first = asked
    if previous is not None:
        first = replace(asked, masks=_as_logits(embedding, previous))
    low = _answer(model, embedding, first)
    for _ in range(again):
        low = _answer(model, embedding, replace(asked, masks=low))
    logits = embedding.transform.restore(low)[0, 0].cpu().numpy()
    if prompts.box is None:
        return logits
    inside = _box_mask(prompts.box, embedding.transform.frame_size)
    return np.where(inside, logits, np.float32(OUTSIDE))


def _answer(model: SamModel, embedding: ImageEmbedding, asked: Prompts) -> Tensor:
    """Return the low-resolution logits (1, 1, h, w) of one object."""
    answer = model.decode(embedding, asked)
    return answer.logits[:, :1] if model.readout is not None else answer.best().logits


def _as_prompts(prompts: PixelPrompts, device: torch.device) -> Prompts:
    pairs = [*prompts.points, *prompts.background]
    known = [1.0] * len(prompts.points) + [0.0] * len(prompts.background)
    return Prompts(
        points=torch.tensor([pairs], dtype=torch.float32, device=device) if pairs else None,
        point_labels=torch.tensor([known], dtype=torch.float32, device=device) if pairs else None,
        boxes=None
        if prompts.box is None
        else torch.tensor([prompts.box], dtype=torch.float32, device=device),
    )


def _as_logits(embedding: ImageEmbedding, mask: NDArray[np.bool_]) -> Tensor:
    """Return a mask (H, W) as a mask prompt (1, 1, h, w) of the model's low resolution."""
    rows, columns = embedding.grid
    shown = torch.from_numpy(mask).to(embedding.features.device)
    coverage = embedding.transform.coverage(shown[None], (4 * rows, 4 * columns))
    return (coverage[None].float() * 2 - 1) * _SURE


def _box_mask(box: tuple[float, float, float, float], size: tuple[int, int]) -> NDArray[np.bool_]:
    x0, y0, x1, y1 = box
    rows, columns = np.indices(size) + 0.5
    mask: NDArray[np.bool_] = (columns > x0) & (columns < x1) & (rows > y0) & (rows < y1)
    return mask
