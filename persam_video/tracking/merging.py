"""Merge the objects' masks into a label map, and split it into masks again."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from persam_video.config.settings import MaskSettings
from persam_video.masks.boxes import boxes_of_labels, grow
from persam_video.masks.components import keep_large, keep_touching
from persam_video.masks.labels import merge_logits, one_hot
from persam_video.results import SoftMask
from persam_video.sam.transform import InputTransform
from persam_video.tracking.objects import TrackedObject
from persam_video.tracking.prior import grow_cells

_UNSURE = 2.0
"""Distance from the edge of a mask within which alpha may be between 0 and 255, in logit cells."""

_LEAST_UNSURE = 2  # pixels

_NEARLY = 0.05
"""Probability below which a pixel is transparent, and opaque above 1 minus it; a sigmoid reaches
neither 0 nor 1."""


def full_logits(logits: Sequence[Tensor], transform: InputTransform) -> NDArray[np.float32]:
    """Bring mask logits to the frame's size.

    Args:
        logits: N low-resolution masks (h, w) over the padded input.
        transform: of the frame.

    Returns:
        float32 (N, H, W).
    """
    if not logits:
        return np.zeros((0, *transform.frame_size), np.float32)
    full = transform.restore(torch.stack(list(logits))[:, None])[:, 0]
    return np.asarray(full.cpu(), np.float32)


def merge_masks(
    logits: NDArray[np.float32], objects: Sequence[TrackedObject], settings: MaskSettings
) -> NDArray[np.uint8]:
    """Merge masks by their logits into one label map, and clean it.

    Args:
        logits: (N, H, W).
        objects: the objects of the masks, in their state after the previous frame.
        settings: which components to remove.

    Returns:
        uint8 (H, W).
    """
    labels = merge_logits(logits, [o.object_id for o in objects])
    for o in objects:
        mask = labels == o.object_id
        labels[mask & ~_clean(mask, o, settings)] = 0
    return labels


def soft_masks(
    logits: NDArray[np.float32],
    ids: Sequence[int],
    labels: NDArray[np.uint8],
    transform: InputTransform,
) -> dict[int, SoftMask]:
    """Return soft masks: the model's probabilities near the edges of the masks.

    Args:
        logits: (N, H, W).
        ids: ids of the objects.
        labels: (H, W) label map that the masks were merged into.
        transform: transform of the frame.

    Returns:
        The soft masks by id, of the objects that have a pixel.
    """
    # size in frame pixels of a logit cell, which is 4 x 4 pixels of the model's input
    cell = 4 * transform.seen_size[0] / transform.input_size[0]
    margin = max(_LEAST_UNSURE, round(_UNSURE * cell))
    kernel = np.ones((2 * margin + 1, 2 * margin + 1), np.uint8)
    found = {}
    for object_id, box in boxes_of_labels(labels, ids).items():
        near = None if box is None else grow(box, margin, (labels.shape[0], labels.shape[1]))
        if near is None:
            continue
        x0, y0, x1, y1 = near
        mask = (labels[y0:y1, x0:x1] == object_id).view(np.uint8)
        logit = logits[ids.index(object_id), y0:y1, x0:x1]
        sure = (1 / (1 + np.exp(-logit)) - _NEARLY) / (1 - 2 * _NEARLY)
        alpha = np.rint(255 * sure.clip(0, 1)).astype(np.uint8)
        # pixels that other objects won, or that were removed as specks, stay below one half
        alpha = np.where(mask, np.maximum(alpha, 128), np.minimum(alpha, 127))
        alpha[cv2.dilate(mask, kernel) == 0] = 0
        alpha[cv2.erode(mask, kernel) == 1] = 255
        found[object_id] = SoftMask(near, alpha)
    return found


def _clean(
    mask: NDArray[np.bool_], tracked: TrackedObject, settings: MaskSettings
) -> NDArray[np.bool_]:
    """Remove components that are specks, or too far from the object's last position."""
    if tracked.tracked and settings.reach is not None:
        x0, y0, x1, y1 = tracked.box
        margin = round(settings.reach * max(x1 - x0, y1 - y0))
        near = grow(tracked.box, margin, (mask.shape[0], mask.shape[1]))
        # the last box lies in the frame, so the enlarged one does too
        mask = mask if near is None else keep_touching(mask, near)
    return keep_large(mask, settings.min_component) if settings.min_component > 0 else mask


def won_masks(
    logits: Sequence[Tensor],
    ids: Sequence[int],
    labels: NDArray[np.uint8],
    transform: InputTransform,
) -> Tensor:
    """Return soft masks without pixels that were removed or went to other objects.

    Args:
        logits: N low-resolution masks (h, w) over the padded input.
        ids: ids of their objects.
        labels: (H, W) merged label map.
        transform: transform of the frame.

        Returns:
            (N, h, w), 0 to 1.
    """
    soft = torch.stack(list(logits)).sigmoid()
    final = torch.from_numpy(one_hot(labels, ids)).to(soft.device)
    area = transform.coverage(final, (soft.shape[1], soft.shape[2]))
    return torch.where(grow_cells(area, 1) > 0, soft, torch.zeros_like(soft))
