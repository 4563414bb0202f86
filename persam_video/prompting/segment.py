"""From boxes and points to the annotation of a frame, by SAM itself."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from persam_video.errors import AnnotationError
from persam_video.masks.annotation import Annotation
from persam_video.masks.components import keep_large
from persam_video.masks.labels import merge_logits
from persam_video.persam.matching import matching_maps
from persam_video.prompting.prompts import ObjectPrompts
from persam_video.sam.model import ImageEmbedding, SamModel
from persam_video.sam.prompts import Prompts

_OUTSIDE = -32.0
"""Logit of what a box leaves out."""

_SURE = 8.0
"""Logit of what is surely the object, in a mask that is shown to a SAM."""

_ROUNDS = 4
"""How often the embedded model is shown what it answered; later answers hardly change."""

_GRAB_CUTS = 4
"""Iterations of GrabCut."""

_LEAST = 0.25
"""GrabCut's guess is not used when it is smaller than this share of the box's ellipse."""

_DISC = 2.0
"""Radius of the first guess around a point, in cells of the embedding."""

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
) -> Annotation:
    """Segment the objects that boxes and points name, and merge them by their logits.

    Of the masks that a SAM answers, the one of the highest predicted IoU is taken, and refined once
    with its own logits. The embedded model was trained to follow what it is shown, not to guess
    what a box means. So OpenCV's GrabCut makes a first guess inside the box, which is shown to the
    model by matching maps against the frame itself, and so is every answer in its turn. Points
    alone show it no more than a disc around each.

    Source of GrabCut: Rother et al., "GrabCut: interactive foreground extraction using iterated
    graph cuts", SIGGRAPH 2004.

    Args:
        model: the SAM.
        rgb: uint8 (H, W, 3).
        prompts: one for each object.
        embedding: of the frame, where it was encoded already.
        previous: bool (H, W), a mask of the object that the prompts correct; for one object only,
            whose points may then all be beside it.

    Raises:
        AnnotationError: a prompt does not fit the frame, or gives an empty mask.
    """
    if not prompts:
        raise AnnotationError("nothing to annotate: give a box or a point for each object")
    size = (rgb.shape[0], rgb.shape[1])
    for each in prompts:
        each.check(size, corrects=previous is not None)
    embedding = embedding or model.encode(rgb)
    logits = np.stack([_segment(model, embedding, rgb, each, previous) for each in prompts])
    ids = [each.object_id for each in prompts]
    labels = merge_logits(logits, ids)
    for object_id in ids:
        mask = labels == object_id
        if not mask.any():
            raise AnnotationError(
                f"object {object_id}: its prompts give an empty mask; draw the box closer, or add "
                "a point in the middle of the object"
            )
        labels[mask & ~keep_large(mask, _SPECK)] = 0
    return Annotation.from_labels(labels)


def _segment(
    model: SamModel,
    embedding: ImageEmbedding,
    rgb: NDArray[np.uint8],
    prompts: ObjectPrompts,
    previous: NDArray[np.bool_] | None,
) -> NDArray[np.float32]:
    """Return logits (H, W) of one object; what its box leaves out is not of it."""
    size = embedding.transform.frame_size
    asked = _as_prompts(prompts, model.device)
    inside = np.ones(size, np.bool_) if prompts.box is None else _box_mask(prompts.box, size)
    if model.takes_matching:
        shown = _first_guess(rgb, prompts, embedding, previous)
        for _ in range(_ROUNDS):
            maps = _match_itself(embedding, torch.from_numpy(shown).to(model.device))
            low = model.decode(embedding, replace(asked, matching=maps)).logits[:, :1]
            logits = _inside(embedding, low, inside)
            if not (logits > 0).any():
                break
            shown = keep_large(logits > 0, _SPECK)
        return logits
    if previous is not None:
        asked = replace(asked, masks=_as_logits(embedding, previous))
    first = model.decode(embedding, asked).best()
    low = model.decode(embedding, replace(asked, masks=first.logits)).best().logits
    return _inside(embedding, low, inside)


def _inside(
    embedding: ImageEmbedding, low: Tensor, inside: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Bring one low-resolution mask to the frame's size, without what the box leaves out."""
    logits = embedding.transform.restore(low)[0, 0].cpu().numpy()
    return np.where(inside, logits, np.float32(_OUTSIDE))


def _as_prompts(prompts: ObjectPrompts, device: torch.device) -> Prompts:
    pairs = [*prompts.points, *prompts.background]
    known = [1.0] * len(prompts.points) + [0.0] * len(prompts.background)
    return Prompts(
        points=torch.tensor([pairs], dtype=torch.float32, device=device) if pairs else None,
        point_labels=torch.tensor([known], dtype=torch.float32, device=device) if pairs else None,
        boxes=None
        if prompts.box is None
        else torch.tensor([prompts.box], dtype=torch.float32, device=device),
    )


def _match_itself(embedding: ImageEmbedding, shown: Tensor) -> Tensor:
    """Match a frame with a part of itself, as if it had been annotated and seen before."""
    coverage = embedding.transform.coverage(shown[None], embedding.grid)
    maps = matching_maps(embedding.keys, embedding.keys, coverage)
    return torch.cat([maps, maps], dim=1).float()


def _as_logits(embedding: ImageEmbedding, mask: NDArray[np.bool_]) -> Tensor:
    """Return a mask (H, W) as a mask prompt (1, 1, h, w) of the model's low resolution."""
    rows, columns = embedding.grid
    shown = torch.from_numpy(mask).to(embedding.features.device)
    coverage = embedding.transform.coverage(shown[None], (4 * rows, 4 * columns))
    return (coverage[None].float() * 2 - 1) * _SURE


def _first_guess(
    rgb: NDArray[np.uint8],
    prompts: ObjectPrompts,
    embedding: ImageEmbedding,
    previous: NDArray[np.bool_] | None,
) -> NDArray[np.bool_]:
    """Return the (H, W) pixels that are shown as the object at first."""
    size = embedding.transform.frame_size
    rows, columns = np.indices(size) + 0.5
    if prompts.box is not None and previous is None:
        x0, y0, x1, y1 = prompts.box
        across, down = (x1 - x0) / 2, (y1 - y0) / 2
        distance = np.hypot((columns - x0 - across) / across, (rows - y0 - down) / down)
        ellipse: NDArray[np.bool_] = distance <= 1
        cut = _grab_cut(rgb, _box_mask(prompts.box, size))
        return cut if cut.sum() >= _LEAST * ellipse.sum() else ellipse
    cell = embedding.transform.padded_size[0] / embedding.grid[0]
    radius = _DISC * cell * max(size) / max(embedding.transform.input_size)
    shown = np.zeros(size, np.bool_) if previous is None else previous.copy()
    for x, y in prompts.points:
        shown |= np.hypot(columns - x, rows - y) <= radius
    for x, y in prompts.background:
        shown &= np.hypot(columns - x, rows - y) > radius
    return shown


def _grab_cut(rgb: NDArray[np.uint8], box: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell object from background inside a box mask (H, W) by their colours."""
    kinds = np.where(box, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
    if box.all():
        return box  # there is no background to learn from
    cv2.setRNGSeed(0)  # its clustering begins at random
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    # the rectangle is not used when a mask says where to begin
    cv2.grabCut(bgr, kinds, (0, 0, 1, 1), *models, _GRAB_CUTS, cv2.GC_INIT_WITH_MASK)
    return np.isin(kinds, (cv2.GC_FGD, cv2.GC_PR_FGD))


def _box_mask(box: tuple[float, float, float, float], size: tuple[int, int]) -> NDArray[np.bool_]:
    x0, y0, x1, y1 = box
    rows, columns = np.indices(size) + 0.5
    mask: NDArray[np.bool_] = (columns > x0) & (columns < x1) & (rows > y0) & (rows < y1)
    return mask
