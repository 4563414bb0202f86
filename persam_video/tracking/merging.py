"""Merge the objects' masks into a label map, and split it into masks again."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from persam_video.config.settings import MaskSettings
from persam_video.masks.boxes import Box, boxes_of_labels, grow, moved
from persam_video.masks.components import keep_large, keep_touching
from persam_video.masks.labels import PlacedLogits, merge_placed
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


def merge_masks(
    placed: Sequence[PlacedLogits],
    objects: Sequence[TrackedObject],
    size: tuple[int, int],
    settings: MaskSettings,
) -> NDArray[np.uint8]:
    """Merge masks by their logits into one label map, and clean it.

    Args:
        placed: logits of each mask where it may be.
        objects: the objects of the masks, in their state after the previous frame.
        size: height and width of the frame.
        settings: which components to remove.

    Returns:
        uint8 (H, W).
    """
    labels = merge_placed(placed, [o.object_id for o in objects], size)
    for o, part in zip(objects, placed, strict=True):
        mine = labels[part.window]
        mask = mine == o.object_id
        mine[mask & ~_clean(mask, part.box, o, settings)] = 0
    return labels


def soft_masks(
    placed: Sequence[PlacedLogits],
    ids: Sequence[int],
    labels: NDArray[np.uint8],
    transform: InputTransform,
) -> dict[int, SoftMask]:
    """Return soft masks: the model's probabilities near the edges of the masks.

    Args:
        placed: logits of each mask where it may be.
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
        part = placed[ids.index(object_id)]
        left, top = part.box[:2]
        # the logits end where the view does
        shape = (part.logits.shape[0], part.logits.shape[1])
        near = None if box is None else grow(moved(box, -left, -top), margin, shape)
        if near is None:
            continue
        x0, y0, x1, y1 = near
        logit = part.logits[y0:y1, x0:x1]
        mask = (labels[part.window][y0:y1, x0:x1] == object_id).view(np.uint8)
        sure = (1 / (1 + np.exp(-logit)) - _NEARLY) / (1 - 2 * _NEARLY)
        alpha = np.rint(255 * sure.clip(0, 1)).astype(np.uint8)
        # pixels that other objects won, or that were removed as specks, stay below one half
        alpha = np.where(mask, np.maximum(alpha, 128), np.minimum(alpha, 127))
        alpha[cv2.dilate(mask, kernel) == 0] = 0
        alpha[cv2.erode(mask, kernel) == 1] = 255
        found[object_id] = SoftMask(moved(near, left, top), alpha)
    return found


def _clean(
    mask: NDArray[np.bool_], part: Box, tracked: TrackedObject, settings: MaskSettings
) -> NDArray[np.bool_]:
    """Remove components that are specks, or too far from the object's last position.

    Args:
        mask: the mask in a part of the frame.
        part: the box of that part.
        tracked: the object.
        settings: which components to remove.
    """
    if tracked.tracked and settings.reach is not None:
        x0, y0, x1, y1 = moved(tracked.box, -part[0], -part[1])
        margin = round(settings.reach * max(x1 - x0, y1 - y0))
        mask = keep_touching(mask, (x0 - margin, y0 - margin, x1 + margin, y1 + margin))
    return keep_large(mask, settings.min_component) if settings.min_component > 0 else mask


def won_masks(
    logits: Sequence[Tensor],
    ids: Sequence[int],
    labels: NDArray[np.uint8],
    boxes: Mapping[int, Box | None],
    transform: InputTransform,
) -> Tensor:
    """Return soft masks without pixels that were removed or went to other objects.

    Args:
        logits: N low-resolution masks (h, w) over the padded input.
        ids: ids of their objects.
        labels: (H, W) merged label map.
        boxes: of the objects in it, by id.
        transform: transform of the frame.

    Returns:
        (N, h, w), 0 to 1.
    """
    soft = torch.stack(list(logits)).sigmoid()
    grid = soft.shape[1], soft.shape[2]
    areas = []
    for object_id in ids:
        box = boxes[object_id] or (0, 0, 0, 0)
        x0, y0, x1, y1 = box
        mask = torch.from_numpy(labels[y0:y1, x0:x1] == object_id).to(soft.device)
        areas.append(transform.coverage(mask, grid, box))
    return torch.where(grow_cells(torch.stack(areas), 1) > 0, soft, torch.zeros_like(soft))
