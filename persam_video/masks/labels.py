"""Label maps: one uint8 value per pixel, 0 for background and object ids otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persam_video.masks.boxes import Box, around, labelled_part, moved

VOID = 255
"""The value of pixels that belong to no object and do not count."""

MAX_OBJECT_ID = 254
"""The highest object id: a label is a byte, and the highest byte is void."""

UNNAMED = "object"
"""The label of objects that have no name, in formats that want one."""


@dataclass(frozen=True, eq=False)
class PlacedLogits:
    """The logits of an object in a part of a frame; nothing outside of it is the object.

    Attributes:
        box: (x0, y0, x1, y1) of the part in pixels, x1 and y1 exclusive.
        logits: float (y1 - y0, x1 - x0).
    """

    box: Box
    logits: NDArray[np.floating]

    @property
    def window(self) -> tuple[slice, slice]:
        """The part as an index into a frame."""
        x0, y0, x1, y1 = self.box
        return slice(y0, y1), slice(x0, x1)


def one_hot(labels: NDArray[np.uint8], ids: Sequence[int]) -> NDArray[np.bool_]:
    """Return one boolean mask per id: shape (N, H, W) in the order of ``ids``."""
    masks: NDArray[np.bool_] = labels[None] == np.asarray(ids, np.uint8)[:, None, None]
    return masks


def label_map(masks: NDArray[np.bool_], ids: Sequence[int]) -> NDArray[np.uint8]:
    """Return the label map of boolean masks; where masks overlap, the lowest id wins.

    Args:
        masks: shape (N, H, W).
        ids: the id of each mask, 1 to 254, all different.

    Raises:
        ValueError: the numbers of ids and masks differ, or the ids are invalid.

    Examples:
        >>> masks = np.array([[[True, True, False]], [[False, True, True]]])
        >>> label_map(masks, [7, 3]).tolist()
        [[7, 3, 3]]
    """
    _check_ids(ids, len(masks))
    labels = np.zeros(masks.shape[1:], np.uint8)
    for place in np.argsort(ids)[::-1]:
        labels[masks[place]] = ids[place]
    return labels


def merge_logits(logits: NDArray[np.floating], ids: Sequence[int]) -> NDArray[np.uint8]:
    """Return the label map in which each pixel goes to the object with the highest logit.

    The background competes with a logit of 0 and wins ties; between objects, the lowest id wins
    ties. NaN never wins.

    Args:
        logits: shape (N, H, W).
        ids: the id of each plane, 1 to 254, all different.

    Raises:
        ValueError: the numbers of ids and logits differ, or the ids are invalid.
    """
    height, width = logits.shape[1:]
    placed = [PlacedLogits((0, 0, width, height), plane) for plane in logits]
    return merge_placed(placed, ids, (height, width))


def merge_placed(
    placed: Sequence[PlacedLogits], ids: Sequence[int], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Return the label map of logits in parts of a frame, as ``merge_logits`` of whole frames.

    Args:
        placed: logits of each object.
        ids: the id of each, 1 to 254, all different.
        size: height and width of the frame.

    Raises:
        ValueError: the numbers of ids and logits differ, or the ids are invalid.
    """
    _check_ids(ids, len(placed))
    labels = np.zeros(size, np.uint8)
    left, top, right, bottom = around([part.box for part in placed]) or (0, 0, 0, 0)
    highest = np.zeros((bottom - top, right - left), placed[0].logits.dtype if placed else float)
    for number in np.argsort(ids):
        logits, window = placed[number].logits, placed[number].window
        x0, y0, x1, y1 = moved(placed[number].box, -left, -top)
        best = highest[y0:y1, x0:x1]
        wins = logits > best  # false for NaN, which fmax leaves out as well
        np.fmax(best, logits, out=best)
        np.copyto(labels[window], np.uint8(ids[number]), where=wins)
    return labels


def areas_of_labels(labels: NDArray[np.uint8], ids: Sequence[int]) -> dict[int, int]:
    """Return the number of pixels of each id in a label map.

    Args:
        labels: uint8 array of shape (H, W).
        ids: the object ids to count, 0 to 254.

    Returns:
        The areas by id, in the order of ``ids``; 0 for an id that does not occur.
    """
    _, _, part = labelled_part(labels)
    # thirty comparisons, many bytes at a time, take no longer than one count of all values
    areas = {object_id: int(np.count_nonzero(part == object_id)) for object_id in ids}
    return areas | ({0: areas[0] + labels.size - part.size} if 0 in areas else {})


def _check_ids(ids: Sequence[int], count: int) -> None:
    if len(ids) != count or len(set(ids)) != count or not all(1 <= i <= MAX_OBJECT_ID for i in ids):
        raise ValueError(
            f"ids {list(ids)} must be {count} different values from 1 to {MAX_OBJECT_ID}"
        )
