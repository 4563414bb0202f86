"""The cascade: a guided first pass, whose mask is fed back to the decoder for refinement."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from persam_video.persam.mask_weights import mix_masks
from persam_video.sam.model import ImageEmbedding, SamModel
from persam_video.sam.prompts import MaskPrediction, Prompts


@dataclass(frozen=True)
class Cascade:
    """Cascade of decoder passes that refine masks.

    Attributes:
        passes: refinements after the first pass: 0, 1 (mask prompt) or 2 (mask prompt and box).
        sure: predicted IoU from which a mask is not refined; ``None`` refines all.
        matching: keep the matching maps in the refinements.
        readout: keep what was read from memory in the refinements.
        best: whether the first pass takes the best of the three masks, not the single one.
    """

    passes: int = 2
    sure: float | None = None
    matching: bool = True
    readout: bool = True
    best: bool = False

    def run(
        self,
        model: SamModel,
        embedding: ImageEmbedding,
        prompts: Prompts,
        weights: Tensor | None = None,
    ) -> MaskPrediction:
        """Segment N objects.

        Args:
            model: the SAM.
            embedding: embedding of the frame.
            prompts: prompts of the first pass.
            weights: (N, 2) PerSAM-F's mask weights, or ``None`` for PerSAM.

        Returns:
            One mask for each object: logits (N, 1, h, w), predicted IoU (N, 1).
        """
        prompts = model.embed_matching(prompts)
        result = _first_pass(model.decode(embedding, prompts), weights, best=self.best)
        plain = replace(
            prompts,
            attention_bias=None,
            target_embedding=None,
            boxes=None,
            dense=prompts.dense if self.matching else None,
            readout=prompts.readout if self.readout else None,
        )
        for number in range(self.passes):
            # PerSAM gives the box from the second refinement on, PerSAM-F from the first
            boxed = number > 0 or weights is not None
            result = _refine(model, embedding, plain, result, self._unsure(result), boxed)
        return result

    def _unsure(self, result: MaskPrediction) -> Tensor:
        """Return which of the objects are to be refined (N,): those with a mask to refine."""
        some = (result.logits[:, 0] > 0).flatten(1).any(dim=1)
        return some if self.sure is None else some & ~(result.iou[:, 0] >= self.sure)


def _first_pass(
    prediction: MaskPrediction, weights: Tensor | None, *, best: bool
) -> MaskPrediction:
    three = prediction.masks(slice(1, None))
    if weights is None:
        return three.best() if best else prediction.masks(slice(0, 1))
    shares = torch.cat([1 - weights.sum(1, keepdim=True), weights], dim=1)
    iou = (three.iou * shares).sum(dim=1, keepdim=True)
    # a mask is nearly linear in its token, so the tokens are mixed as the masks are
    tokens = None if three.tokens is None else (three.tokens * shares[..., None]).sum(1)[:, None]
    return replace(three, logits=mix_masks(three.logits, weights), iou=iou, tokens=tokens)


def _refine(
    model: SamModel,
    embedding: ImageEmbedding,
    plain: Prompts,
    result: MaskPrediction,
    some: Tensor,
    boxed: bool,
) -> MaskPrediction:
    if not some.any():
        return result
    # copying the dense prompts of many objects takes time
    prompts = plain if some.all() else plain.take(some)
    masks = result.logits[some]
    boxes = mask_boxes(masks[:, 0], embedding) if boxed else None
    answer = model.decode(embedding, replace(prompts, masks=masks, boxes=boxes))
    return result.updated(some, answer.masks(slice(1, None)).best())


def mask_boxes(logits: Tensor, embedding: ImageEmbedding) -> Tensor:
    """Return the boxes of low-resolution masks in frame pixels.

    Args:
        logits: (N, h, w), each with at least one positive value.
        embedding: embedding of their frame.

    Returns:
        (N, 4) float (x0, y0, x1, y1), clipped to the visible part of the frame.
    """
    masks = logits > 0
    rows, columns = masks.any(dim=2).float(), masks.any(dim=1).float()
    height, width = masks.shape[1:]
    corners = torch.stack(
        [
            columns.argmax(1),
            rows.argmax(1),
            width - columns.flip(1).argmax(1),
            height - rows.flip(1).argmax(1),
        ],
        dim=1,
    ).float()
    transform = embedding.transform
    pixel = transform.padded_size[0] / height
    boxes = transform.frame_coordinates((corners * pixel).view(-1, 2, 2)).view(-1, 4)
    corner = transform.seen[2:]
    return boxes.minimum(boxes.new_tensor([*corner, *corner]))
