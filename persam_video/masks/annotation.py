"""The annotation of a frame: which pixels belong to which object.

Masks come from many programs. ``read_annotation`` accepts files that identify the objects without
ambiguity and rejects the rest, because a wrong guess becomes an object that nobody painted.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from persam_video.errors import AnnotationError
from persam_video.masks.arrays import MaskArray, label_array
from persam_video.masks.boxes import Box, boxes_of_labels
from persam_video.masks.image import open_mask
from persam_video.masks.labels import VOID
from persam_video.masks.values import label_values


@dataclass(frozen=True, eq=False)
class Annotation:
    """The objects of one frame.

    Attributes:
        labels: uint8 array of shape (H, W), read-only; 0 is background or what the annotator
            left open (void); other values are object ids.
        object_ids: the ids that occur in ``labels``, in ascending order; gaps are allowed.
    """

    labels: NDArray[np.uint8]
    object_ids: tuple[int, ...]

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
    def from_labels(cls, labels: MaskArray) -> "Annotation":
        """Make an annotation from a copy of a label map.

        Args:
            labels: NumPy array or torch tensor of shape (H, W), boolean for one object with id 1,
                or integers: 0 for background, 1 to 254 for objects, 255 for void, or for object 1
                where there is no other label; or a PIL image, as ``read_annotation`` takes files.

        Raises:
            AnnotationError: it is not such a label map, or has no object.
        """
        return _annotation(label_array(labels, "the mask"), "the mask")


def read_annotation(path: str | Path, *, size: tuple[int, int] | None = None) -> Annotation:
    """Read the annotation of a frame from an image file.

    ============================  ================================================================
    file                          objects
    ============================  ================================================================
    indexed                       the palette indices are the ids
    1-bit                         white is object 1
    grey, 2 to 16 bits            the stored values are the ids; 16-bit values may be the 8-bit ones
                                  scaled up (by 257)
    RGB in palette colours        the index of the colour in the DAVIS palette; any other grey is
                                  the id of its value
    RGB with any other colour     1, 2, ... in the order of the palette carried on to 24 bits:
                                  red, green, yellow, blue, magenta, cyan, white
    with alpha                    as without; what is fully transparent is background
    ============================  ================================================================

    The value 255 is void where there are other labels; where it is the only one, it is object 1.

    Args:
        path: PNG, BMP, GIF, JPEG, PPM, TIFF or WebP file.
        size: height and width of the frame, checked if given.

    Raises:
        AnnotationError: the file cannot be read, has another size, has no object or more than 254,
            or has blended values along the edges, as antialiasing, smooth resizing and lossy
            compression leave them.
    """
    path = Path(path)
    image = open_mask(path)
    if size is not None:
        check_mask_size((image.height, image.width), size, str(path))
    return _annotation(label_values(image, str(path)), str(path))


def load_annotation(
    mask: str | Path | MaskArray | Annotation, size: tuple[int, int] | None = None
) -> Annotation:
    """Return an annotation from a path, a mask in memory or an annotation.

    Args:
        mask: what ``read_annotation`` or ``Annotation.from_labels`` takes, or the result.
        size: height and width of the frame, checked if given.

    Raises:
        AnnotationError: the mask cannot be used, or has another size.
    """
    if isinstance(mask, (str, Path)):
        return read_annotation(mask, size=size)
    annotation = mask if isinstance(mask, Annotation) else Annotation.from_labels(mask)
    if size is not None:
        check_mask_size(annotation.size, size, "the mask")
    return annotation


def _annotation(values: NDArray[np.uint8], name: str) -> Annotation:
    present = np.flatnonzero(np.bincount(values.ravel(), minlength=256)).tolist()
    ids = tuple(value for value in present if value not in (0, VOID))
    if ids:
        labels = np.where(values == VOID, np.uint8(0), values)
    elif VOID in present:
        ids, labels = (1,), (values == VOID).astype(np.uint8)
    else:
        raise AnnotationError(f"{name}: has no object; every pixel is background")
    labels.setflags(write=False)
    return Annotation(labels, ids)


def check_mask_size(found: tuple[int, int], wanted: tuple[int, int], name: str) -> None:
    """Check that a mask has the size of its frame, both as (height, width).

    Raises:
        AnnotationError: the sizes differ.
    """
    if found == wanted:
        return
    is_turned = found == wanted[::-1]
    remedy = "turn it by 90°" if is_turned else "resize it to the frame with nearest neighbour"
    raise AnnotationError(
        f"{name}: is {found[1]}x{found[0]} pixels where the frame is {wanted[1]}x{wanted[0]} "
        f"(width x height); {remedy}"
    )
