"""Merge the objects' masks into a label map, and split it into masks again."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from persam_video.config.settings import MaskSettings
from persam_video.masks.boxes import grow
from persam_video.masks.components import keep_large, keep_touching
from persam_video.masks.labels import merge_logits, one_hot
from persam_video.sam.transform import InputTransform
from persam_video.tracking.objects import TrackedObject
from persam_video.tracking.prior import grow_cells


def merge_masks(
    logits: Sequence[Tensor],
    objects: Sequence[TrackedObject],
    transform: InputTransform,
    settings: MaskSettings,
) -> NDArray[np.uint8]:
    """Merge masks by their logits into one label map, and clean it.

    Args:
        logits: N low-resolution masks (h, w) over the padded input.
        objects: the objects of the masks, in their state after the previous frame.
        transform: transform of the frame.
        settings: which components to remove.

    Returns:
        uint8 (H, W) of the frame's size.
    """
    if not objects:
        return np.zeros(transform.frame_size, np.uint8)
    full = transform.restore(torch.stack(list(logits))[:, None])[:, 0]
    labels = merge_logits(full.cpu().numpy(), [o.object_id for o in objects])
    for o in objects:
        mask = labels == o.object_id
        labels[mask & ~_clean(mask, o, settings)] = 0
    return labels


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
