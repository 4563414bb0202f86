"""From boxes and points to the annotation of a frame, by SAM itself."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from math import ceil, floor
from time import monotonic

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
from persam_video.prompting.prompts import ObjectPrompts, PixelPrompts
from persam_video.sam.model import ImageEmbedding, SamModel
from persam_video.sam.prompts import Prompts

_log = logging.getLogger(__name__)

_OUTSIDE = -32.0
"""Logit of what a box leaves out."""

_SURE = 8.0
"""Logit of what is surely the object, in a mask that is shown to a SAM."""

_ROUNDS = 4
"""How often the embedded model is shown what it answered; later answers hardly change."""

_GRAB_CUTS = 4
"""Iterations of GrabCut."""

_AROUND = 1.5
"""How much of a frame GrabCut sees on each side of a box, in widths and heights of the box."""

_LONGEST_SIDE = 320
"""Pixels that GrabCut sees along the longer side."""

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
    model by matching maps against the frame itself, and so is every answer in its turn; the ellipse
    in the box is another such guess, and the mean of what comes of both is the answer. Points alone
    show the model no more than a disc around each.

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
    placed = [prompt.in_pixels(size, corrects=previous is not None) for prompt in prompts]
    embedding = embedding or model.encode(rgb)
    logits = np.stack([_segment(model, embedding, rgb, prompt, previous) for prompt in placed])
    ids = [prompt.object_id for prompt in placed]
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
    prompts: PixelPrompts,
    previous: NDArray[np.bool_] | None,
) -> NDArray[np.float32]:
    """Return logits (H, W) of one object; what its box leaves out is not of it."""
    size = embedding.transform.frame_size
    started = monotonic()
    asked = _as_prompts(prompts, model.device)
    inside = np.ones(size, np.bool_) if prompts.box is None else _box_mask(prompts.box, size)
    if model.takes_matching:
        guesses = _first_guesses(rgb, prompts, embedding, previous)
        found = [_follow(model, embedding, asked, inside, guess) for guess in guesses]
        logits: NDArray[np.float32] = np.stack(found).mean(axis=0)
        _log.info("object %d: from its prompts in %.2f s", prompts.object_id, monotonic() - started)
        return logits
    if previous is not None:
        asked = replace(asked, masks=_as_logits(embedding, previous))
    first = model.decode(embedding, asked).best()
    low = model.decode(embedding, replace(asked, masks=first.logits)).best().logits
    return _inside(embedding, low, inside)


def _follow(
    model: SamModel,
    embedding: ImageEmbedding,
    asked: Prompts,
    inside: NDArray[np.bool_],
    shown: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """Show a model a guess (H, W), and then every answer in its turn; return the last logits."""
    for _ in range(_ROUNDS):
        maps = _match_itself(embedding, torch.from_numpy(shown).to(model.device))
        low = model.decode(embedding, replace(asked, matching=maps)).logits[:, :1]
        logits = _inside(embedding, low, inside)
        if not (logits > 0).any():
            break
        shown = keep_large(logits > 0, _SPECK)
    return logits


def _inside(
    embedding: ImageEmbedding, low: Tensor, inside: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Bring one low-resolution mask to the frame's size, without what the box leaves out."""
    logits = embedding.transform.restore(low)[0, 0].cpu().numpy()
    return np.where(inside, logits, np.float32(_OUTSIDE))


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


def _first_guesses(
    rgb: NDArray[np.uint8],
    prompts: PixelPrompts,
    embedding: ImageEmbedding,
    previous: NDArray[np.bool_] | None,
) -> list[NDArray[np.bool_]]:
    """Return the (H, W) pixels that are shown as the object at first, one or two guesses."""
    size = embedding.transform.frame_size
    rows, columns = _centres(size)
    if prompts.box is not None and previous is None:
        x0, y0, x1, y1 = prompts.box
        across, down = (x1 - x0) / 2, (y1 - y0) / 2
        distance = np.hypot((columns - x0 - across) / across, (rows - y0 - down) / down)
        ellipse: NDArray[np.bool_] = distance <= 1
        cut = _grab_cut(rgb, prompts.box)
        return [cut, ellipse] if cut.sum() >= _LEAST * ellipse.sum() else [ellipse]
    cell = embedding.transform.padded_size[0] / embedding.grid[0]
    radius = _DISC * cell * max(size) / max(embedding.transform.input_size)
    shown = np.zeros(size, np.bool_) if previous is None else previous.copy()
    for x, y in prompts.points:
        shown |= np.hypot(columns - x, rows - y) <= radius
    for x, y in prompts.background:
        shown &= np.hypot(columns - x, rows - y) > radius
    return [shown]


def _grab_cut(rgb: NDArray[np.uint8], box: tuple[float, float, float, float]) -> NDArray[np.bool_]:
    """Tell object from background inside a box by their colours, as a mask (H, W).

    What lies far around the box is left out, and the rest is reduced, so that the time does not
    grow with the frame: full resolution takes 38 s and 2.5 GB at 4K, and its masks are no better.
    """
    height, width = rgb.shape[:2]
    x0, y0, x1, y1 = box
    across, down = _AROUND * (x1 - x0), _AROUND * (y1 - y0)
    left, right = max(0, floor(x0 - across)), min(width, ceil(x1 + across))
    top, bottom = max(0, floor(y0 - down)), min(height, ceil(y1 + down))
    scale = min(1.0, _LONGEST_SIDE / max(right - left, bottom - top))
    size = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    window = cv2.resize(rgb[top:bottom, left:right], size, interpolation=cv2.INTER_AREA)
    scales = np.divide(size, (right - left, bottom - top))
    corners = (np.reshape(box, (2, 2)) - (left, top)) * scales
    inside = _box_mask(corners.ravel(), size[::-1])
    if not inside.any() or inside.all():
        return _box_mask(box, (height, width))  # nothing to tell apart, or nothing to learn from
    kinds = np.where(inside, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
    cv2.setRNGSeed(0)  # its clustering begins at random
    models = np.zeros((1, 65)), np.zeros((1, 65))
    bgr = cv2.cvtColor(window, cv2.COLOR_RGB2BGR)
    # the rectangle is not used when a mask says where to begin
    cv2.grabCut(bgr, kinds, (0, 0, 1, 1), *models, _GRAB_CUTS, cv2.GC_INIT_WITH_MASK)
    found = np.isin(kinds, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    whole = (right - left, bottom - top)
    cut = np.zeros((height, width), np.bool_)
    cut[top:bottom, left:right] = cv2.resize(found, whole, interpolation=cv2.INTER_NEAREST) > 0
    return cut


def _box_mask(
    box: Sequence[float] | NDArray[np.float64], size: tuple[int, int]
) -> NDArray[np.bool_]:
    x0, y0, x1, y1 = box
    rows, columns = _centres(size)
    mask: NDArray[np.bool_] = (columns > x0) & (columns < x1) & (rows > y0) & (rows < y1)
    return mask


def _centres(size: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the middles of the pixels as rows (H, 1) and columns (1, W)."""
    rows, columns = np.ogrid[: size[0], : size[1]]
    return rows + 0.5, columns + 0.5
