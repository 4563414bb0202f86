"""The annotation of a frame: which pixels belong to which object."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from persam_video.errors import AnnotationError
from persam_video.masks.arrays import MaskArray, label_array
from persam_video.masks.boxes import Box, boxes_of_labels
from persam_video.masks.counts import counts_of_values
from persam_video.masks.labels import VOID


@dataclass(frozen=True, eq=False)
class Annotation:
    """The objects of one frame.

    Attributes:
        labels: uint8 array of shape (H, W), read-only; 0 is background or what the annotator
            left open (void); other values are object ids.
        object_ids: the ids that occur in ``labels``, in ascending order; gaps are allowed.
        names: names of objects by id, for those that have one.
    """

    labels: NDArray[np.uint8]
    object_ids: tuple[int, ...]
    names: Mapping[int, str] = field(default_factory=dict)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.labels.shape
        return height, width

    @cached_property
    def boxes(self) -> dict[int, Box]:
        """The box (x0, y0, x1, y1) of each object by its id."""
        boxes = boxes_of_labels(self.labels, self.object_ids)
        return {i: box for i, box in boxes.items() if box is not None}

    def mask(self, object_id: int) -> NDArray[np.bool_]:
        """Return the boolean (H, W) mask of one object."""
        mask: NDArray[np.bool_] = self.labels == object_id
        return mask

    @classmethod
    def from_labels(
        cls, labels: MaskArray, *, names: Mapping[int, str] | None = None
    ) -> "Annotation":
        """Make an annotation from a copy of a label map.

        Args:
            labels: NumPy array or torch tensor of shape (H, W), boolean for one object with id 1,
                or integers: 0 for background, 1 to 254 for objects, 255 for void, or for object 1
                where there is no other label; or a PIL image, as ``read_annotation`` takes files.
            names: of objects that have one, by id.

        Raises:
            AnnotationError: it is not such a label map, or has no object.
        """
        return annotation_of(label_array(labels, "the mask"), "the mask", names or {})


def annotation_of(
    values: NDArray[np.uint8], name: str, names: Mapping[int, str] | None = None
) -> Annotation:
    """Return the annotation of a mask's values, whose array becomes read-only.

    Args:
        values: uint8 array of shape (H, W), see ``persam_video.masks.values``.
        name: what to call the mask in messages.
        names: names of objects by id, for those that have one.

    Raises:
        AnnotationError: there is no object.
    """
    present = np.flatnonzero(counts_of_values(values)).tolist()
    ids = tuple(value for value in present if value not in (0, VOID))
    if ids:
        labels = np.where(values == VOID, np.uint8(0), values) if VOID in present else values
    elif VOID in present:
        ids, labels = (1,), (values == VOID).astype(np.uint8)
    else:
        raise AnnotationError(f"{name}: has no object; every pixel is background")
    labels.setflags(write=False)
    return Annotation(labels, ids, names or {})


def check_mask_size(
    found: tuple[int, int],
    wanted: tuple[int, int],
    name: str,
    remedy: str = "resize it to the frame with nearest neighbour",
) -> None:
    """Check that a mask has the size of its frame, both as (height, width).

    Raises:
        AnnotationError: the sizes differ.
    """
    if found == wanted:
        return
    is_turned = found == wanted[::-1]
    raise AnnotationError(
        f"{name}: is {found[1]}x{found[0]} pixels where the frame is {wanted[1]}x{wanted[0]} "
        f"(width x height); {'turn it by 90°' if is_turned else remedy}"
    )
