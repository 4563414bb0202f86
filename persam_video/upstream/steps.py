"""PerSAM as its public reference implementation (Personalize-SAM) computes it.

The rest of this package works on the embedding's grid. Upstream takes similarity, points,
boxes and masks at the frame's full size, and paints its annotation into an image. These
are its steps as separate functions, for the procedure ``upstream`` and for tests that compare with
it.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from persam_video.masks.boxes import box_of
from persam_video.persam.target import location_confidence
from persam_video.sam.model import ImageEmbedding, SamModel
from persam_video.sam.prompts import Prompts

VIDEO_PAINT = 215
"""Red value of the mask in upstream's video scripts: a cell counts from 58 % coverage on."""


def painted_cells(
    mask: NDArray[np.bool_], embedding: ImageEmbedding, paint: int = VIDEO_PAINT
) -> Tensor:
    """Choose the cells that represent an object.

    The mask is painted into the red channel of a black image, which is resized and normalised like
    any image; the cells where the result, resized to the grid, is above 0 belong to the object. So
    the painted value acts as a threshold on the coverage.

    Args:
        mask: (H, W) of the frame.
        embedding: of the frame.
        paint: 1 to 255.

    Returns:
        (h, w) bool; empty for an object smaller than a cell.
    """
    image = np.zeros((*mask.shape, 3), np.uint8)
    image[mask, 0] = paint
    red = embedding.transform.image(image, embedding.features.device)[:, :1]
    return F.interpolate(red, embedding.grid, mode="bilinear")[0, 0] > 0


def full_size_similarity(embedding: ImageEmbedding, targets: Tensor) -> Tensor:
    """Compare every pixel of a frame with target embeddings.

    Args:
        embedding: of the frame.
        targets: (N, C) of any norm.

    Returns:
        (N, H, W) cosine similarities of the cells, enlarged to the frame as SAM enlarges masks.
    """
    similarity = location_confidence(embedding.features, targets)
    enlarged = F.interpolate(similarity[:, None], scale_factor=4, mode="bilinear")
    return embedding.transform.restore(enlarged)[:, 0]


@dataclass(frozen=True)
class FullSizeMasks:
    """The masks that a SAM predicts for one object.

    Attributes:
        low: (M, h, w) low-resolution logits, which serve as the next mask prompt.
        full: (M, H, W) logits at the frame's size.
        iou: (M,) predicted IoU of each.
    """

    low: Tensor
    full: Tensor
    iou: Tensor

    def take(self, place: int) -> "FullSizeMasks":
        """Keep one mask."""
        chosen = slice(place, place + 1)
        return FullSizeMasks(self.low[chosen], self.full[chosen], self.iou[chosen])

    def best(self) -> "FullSizeMasks":
        """Keep the mask of the highest predicted IoU; of equals, the first."""
        return self.take(int(self.iou.argmax()))


def predict(
    model: SamModel, embedding: ImageEmbedding, prompts: Prompts, *, single: bool = False
) -> FullSizeMasks:
    """Segment one object.

    Args:
        model: the SAM.
        embedding: of the frame.
        prompts: of one object.
        single: return SAM's single mask instead of its three.
    """
    answer = model.decode(embedding, prompts)
    chosen = slice(0, 1) if single else slice(1, None)
    low = answer.logits[:, chosen]
    return FullSizeMasks(low[0], embedding.transform.restore(low)[0], answer.iou[0, chosen])


def mask_box(logits: Tensor) -> Tensor | None:
    """Return the box (1, 4) around a mask's first and last pixels, ``None`` when it is empty.

    Args:
        logits: (H, W) at the frame's size.
    """
    box = box_of((logits > 0).cpu().numpy())
    if box is None:
        return None
    x0, y0, x1, y1 = box
    return torch.tensor([[x0, y0, x1 - 1, y1 - 1]], dtype=torch.float32, device=logits.device)


def refine(
    model: SamModel,
    embedding: ImageEmbedding,
    prompts: Prompts,
    low: Tensor,
    box: Tensor | None = None,
) -> FullSizeMasks | None:
    """Run the two refinements: with the mask, then with the resulting mask and its box.

    Args:
        model: the SAM.
        embedding: of the frame.
        prompts: one object's points; other prompts are ignored.
        low: (1, h, w) low-resolution logits of the first pass.
        box: (1, 4) for the first refinement; PerSAM-F gives one.

    Returns:
        The best mask of the second refinement; ``None`` if that of the first is empty, where
        upstream
            stops with an error.
    """
    points = Prompts(points=prompts.points, point_labels=prompts.point_labels)
    first = predict(model, embedding, replace(points, masks=low[None], boxes=box)).best()
    box = mask_box(first.full[0])
    if box is None:
        return None
    return predict(model, embedding, replace(points, masks=first.low[None], boxes=box)).best()
