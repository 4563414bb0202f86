"""Turning boxes and points into the annotation of a frame with SAM."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from persam_video.errors import AnnotationError
from persam_video.masks.annotation import Annotation
from persam_video.masks.boxes import box_of, clip
from persam_video.masks.components import keep_large, keep_nearest, keep_overlapping
from persam_video.masks.labels import merge_logits
from persam_video.prompting.colours import cut_out
from persam_video.prompting.prompts import ObjectPrompts, PixelPrompts
from persam_video.sam.model import ImageEmbedding, SamModel
from persam_video.sam.prompts import Prompts
from persam_video.sam.transform import OUTSIDE, View, scaled_size

_TRAINING_WINDOW = 448
"""Side of the windows that the embedded model was trained on, in pixels: what fills a photograph is
recognised better at this size, what is small in it at the full one."""

_SURE = 8.0
"""Logit of what is surely the object, in a mask that is shown to a SAM."""

_MARGINS = (0.1, 0.25, 0.5, 1.0)
"""How much of what is around a box is looked at with it, in shares of its width and height."""

_NEARLY = 0.8
"""Answers count whose quality is at least this share of the best one's."""

_AGREEMENT = 4
"""Power of the IoU with the cut along the colours, in the quality of an answer."""

_SLIGHT = np.float32(0.1)
"""Logit of what the colours decide against the model."""

_SPECK = 0.02
"""Components below this share of the largest are removed, as the tracker does."""


@torch.inference_mode()
def encode_for_prompts(
    model: SamModel, rgb: NDArray[np.uint8], full: ImageEmbedding | None = None
) -> tuple[ImageEmbedding, ...]:
    """Encode a frame in all the sizes that ``annotate`` looks at it in.

    Args:
        model: the SAM.
        rgb: uint8 (H, W, 3).
        full: its embedding in the model's image size, if it is encoded already.

    Returns:
        the embedding in the model's image size, and for the embedded model one in the size that it
        was trained on.
    """
    full = full or model.encode(rgb)
    if model.readout is None or model.info.image_size <= _TRAINING_WINDOW:
        return (full,)
    height, width = rgb.shape[:2]
    smaller = View((0, 0, width, height), scaled_size((height, width), _TRAINING_WINDOW))
    return full, model.encode(rgb, smaller)


@torch.inference_mode()
def annotate(
    model: SamModel,
    rgb: NDArray[np.uint8],
    prompts: Sequence[ObjectPrompts],
    *,
    embeddings: Sequence[ImageEmbedding] = (),
    previous: NDArray[np.bool_] | None = None,
    refine: bool = True,
) -> Annotation:
    """Segment the objects that boxes and points name, and merge them by their logits.

    The model is prompted again with its own logits as mask prompt. Of a SAM's three masks, the one
    with the highest predicted IoU is taken. The embedded model answers in two sizes of the frame,
    and for a box in four that show it with what is around it; the mask is the mean of those answers
    whose predicted IoU is nearly the highest, and which fill a box nearly as well as the best.
    Where that mean is unsure, the colours decide (``persam_video.prompting.colours``).

    Args:
        model: the SAM.
        rgb: uint8 (H, W, 3).
        prompts: one for each object.
        embeddings: what ``encode_for_prompts`` gave for the frame, if it is encoded already.
        previous: bool (H, W), the mask to correct; for a single object only,
            whose points may then all be beside it.
        refine: whether the model is prompted again; without, a mask takes a third of the time and
            is coarser.

    Raises:
        AnnotationError: a prompt does not fit the frame, or gives an empty mask.
    """
    if not prompts:
        raise AnnotationError("nothing to annotate: give a box or a point for each object")
    size = (rgb.shape[0], rgb.shape[1])
    placed = [prompt.in_pixels(size, corrects=previous is not None) for prompt in prompts]
    embeddings = embeddings or encode_for_prompts(model, rgb)
    logits = np.stack(
        [_segment(model, rgb, embeddings, prompt, previous, refine) for prompt in placed]
    )
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


@dataclass(frozen=True)
class _Candidate:
    """One answer of the model for one object.

    Attributes:
        embedding: what was looked at.
        low: (1, 1, h, w) low-resolution logits.
        quality: what speaks for it, 0 to 1.
    """

    embedding: ImageEmbedding
    low: Tensor
    quality: float

    def logits(self) -> Tensor:
        """Return the answer (H, W) in the frame's size."""
        return self.embedding.transform.restore(self.low)[0, 0]

    def compared(self, mask: NDArray[np.bool_]) -> "_Candidate":
        """Return the answer, counting for as much as it agrees with a mask (H, W)."""
        wanted = _as_logits(self.embedding, mask)[0, 0] > 0
        found = self.low[0, 0] > 0
        union = (wanted | found).sum().item()
        agreement = (wanted & found).sum().item() / union if union else 1.0
        return replace(self, quality=self.quality * agreement**_AGREEMENT)


def _segment(
    model: SamModel,
    rgb: NDArray[np.uint8],
    embeddings: Sequence[ImageEmbedding],
    prompts: PixelPrompts,
    previous: NDArray[np.bool_] | None,
    refine: bool,
) -> NDArray[np.float32]:
    """Return logits (H, W) of one object, restricted to its box.

    Args:
        model: the SAM.
        rgb: uint8 (H, W, 3).
        embeddings: of the frame.
        prompts: prompts of the object.
        previous: bool (H, W), the mask to correct.
        refine: whether the model is shown what it answered, and looks into a box by itself.
    """
    asked = [_as_prompts(prompts, model.device)]
    if model.readout is not None and prompts.box is not None and not prompts.points:
        # what is in the middle of a box is mostly the object; where it is not, the box alone wins
        x0, y0, x1, y1 = prompts.box
        middle = replace(prompts, points=(((x0 + x1) / 2, (y0 + y1) / 2),))
        asked.append(_as_prompts(middle, model.device))
    embedded = model.readout is not None and refine
    if embedded and prompts.box is not None:
        embeddings = (*embeddings, *_closer(model, rgb, prompts.box))
    candidates = [
        candidate
        for embedding in embeddings
        for one in asked
        for candidate in _candidates(model, embedding, one, previous, refine)
    ]
    if not embedded:
        return _inside(prompts.box, max(candidates, key=lambda one: one.quality).logits())
    logits = _inside(prompts.box, _blended(candidates))
    like_cut = _by_colours(rgb, logits, prompts) > 0
    candidates = [candidate.compared(like_cut) for candidate in candidates]
    return _by_colours(rgb, _inside(prompts.box, _blended(candidates)), prompts)


def _inside(box: tuple[float, float, float, float] | None, logits: Tensor) -> NDArray[np.float32]:
    """Return logits (H, W), restricted to a box."""
    found: NDArray[np.float32] = logits.cpu().numpy()
    if box is None:
        return found
    return np.where(_box_mask(box, found.shape), found, np.float32(OUTSIDE))


def _by_colours(
    rgb: NDArray[np.uint8], logits: NDArray[np.float32], prompts: PixelPrompts
) -> NDArray[np.float32]:
    """Return logits (H, W) whose signs follow the colours of the frame."""
    if prompts.box is None:
        around = box_of(logits > 0)
    else:
        x0, y0, x1, y1 = prompts.box
        around = math.floor(x0), math.floor(y0), math.ceil(x1), math.ceil(y1)
    if around is None:
        return logits
    probability = np.asarray(1 / (1 + np.exp(-logits)), np.float32)
    cut = cut_out(rgb, probability, around, prompts)
    if prompts.box is not None:
        cut &= logits > OUTSIDE
    return np.where(cut == (logits > 0), logits, np.where(cut, _SLIGHT, -_SLIGHT))


def _closer(
    model: SamModel, rgb: NDArray[np.uint8], box: tuple[float, float, float, float]
) -> list[ImageEmbedding]:
    """Encode what is around a box by itself, once with each margin."""
    x0, y0, x1, y1 = box
    height, width = rgb.shape[:2]
    views = []
    for margin in _MARGINS:
        across, down = margin * (x1 - x0), margin * (y1 - y0)
        begin = math.floor(x0 - across), math.floor(y0 - down)
        end = math.ceil(x1 + across), math.ceil(y1 + down)
        views.append(clip((*begin, *end), (height, width)) or (0, 0, width, height))
    # stretched to the frame's shape, which was measured to be better than in its own
    size = scaled_size((height, width), min(model.info.image_size, _TRAINING_WINDOW))
    # a large box has the whole frame around it with several margins
    encoded = {view: model.encode(rgb, View(view, size)) for view in set(views)}
    return [encoded[view] for view in views]


def _blended(candidates: Sequence[_Candidate]) -> Tensor:
    """Return logits (H, W) of the mean probability of the candidates that are nearly the best."""
    enough = _NEARLY * max(candidate.quality for candidate in candidates)
    good = [candidate for candidate in candidates if candidate.quality >= enough]
    weights = [max(candidate.quality, 1e-3) ** 4 for candidate in good]
    # added up one by one: all answers at once would take a gibibyte for a frame of 4K
    parts = (
        weight * candidate.logits().sigmoid()
        for weight, candidate in zip(weights, good, strict=True)
    )
    return torch.logit(reduce(torch.add, parts) / sum(weights), eps=1e-6)


def _candidates(
    model: SamModel,
    embedding: ImageEmbedding,
    asked: Prompts,
    previous: NDArray[np.bool_] | None,
    refine: bool,
) -> Iterator[_Candidate]:
    first = asked
    if previous is not None:
        first = replace(asked, masks=_as_logits(embedding, previous))
    answer = model.decode(embedding, first)
    if model.readout is None:
        answer = answer.best()
        if refine:
            answer = model.decode(embedding, replace(asked, masks=answer.logits)).best()
    elif refine:
        # the single mask is the object most often, the second of the others more of it than a part
        starts = answer.logits[0, : 1 if previous is not None else 2, None]
        answer = model.decode(embedding, replace(asked.repeat(len(starts)), masks=starts))
    for low, iou in zip(answer.logits[:, :1], answer.iou[:, 0], strict=True):
        mask = low[0].cpu().numpy() > 0
        fit = _filled(mask, embedding, asked) ** 0.5 * _obeyed(mask, embedding, asked)
        yield _Candidate(embedding, low[None], max(0.0, float(iou)) * fit)


def _obeyed(mask: NDArray[np.bool_], embedding: ImageEmbedding, asked: Prompts) -> float:
    """Return the share of the points that a low-resolution mask (h, w) does as they say."""
    if asked.points is None or asked.point_labels is None:
        return 1.0
    cells = (embedding.transform.coordinates(asked.points[0]) / 4).long().cpu().numpy()
    return float(
        np.mean(mask[cells[:, 1], cells[:, 0]] == (asked.point_labels[0].cpu() > 0).numpy())
    )


def _filled(mask: NDArray[np.bool_], embedding: ImageEmbedding, asked: Prompts) -> float:
    """Return the IoU of a box and the bounding box of what of a mask (h, w) is inside it."""
    if asked.boxes is None:
        return 1.0
    x0, y0, x1, y1 = (embedding.transform.coordinates(asked.boxes.view(2, 2)) / 4).ravel().tolist()
    left, top = max(0, int(x0)), max(0, int(y0))
    found = box_of(mask[top : math.ceil(y1), left : math.ceil(x1)])
    if found is None:
        return 0.0
    width = min(left + found[2], x1) - max(left + found[0], x0)
    height = min(top + found[3], y1) - max(top + found[1], y0)
    return float(width * height / ((x1 - x0) * (y1 - y0)))


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
    rows, columns = (np.arange(length) + 0.5 for length in size)
    mask: NDArray[np.bool_] = np.outer((rows > y0) & (rows < y1), (columns > x0) & (columns < x1))
    return mask
