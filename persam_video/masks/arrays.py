"""Converting callers' arrays, tensors and images to label maps and masks."""

from typing import TYPE_CHECKING, Any, TypeAlias, Union

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from persam_video.errors import AnnotationError
from persam_video.masks.labels import MAX_OBJECT_ID, VOID
from persam_video.masks.values import label_values
from persam_video.util.arrays import as_array, kind_of
from persam_video.util.image_file import decoding

if TYPE_CHECKING:
    from torch import Tensor

MaskArray: TypeAlias = Union[NDArray[Any], Image.Image, "Tensor"]
"""A mask in memory; ``label_array`` and ``mask_array`` say which of them are taken."""

_LABELS = f"give booleans, or integers: 0 for background, 1 to {MAX_OBJECT_ID} for objects"
_MASK = "give booleans, or the integers 0 and 1"


def label_array(labels: MaskArray, name: str) -> NDArray[np.uint8]:
    """Return a mask in memory as a new label map.

    Args:
        labels: boolean or integer array or torch tensor of shape (H, W), or a PIL image that
            ``persam_video.masks.read_annotation`` would take as a file.
        name: what to call it in messages.

    Returns:
        uint8 array of shape (H, W), as ``persam_video.masks.values`` has them.

    Raises:
        AnnotationError: it is something else; the message names what it is and what is wanted.
    """
    if isinstance(labels, Image.Image):
        return _of_image(labels, name)
    return _whole_numbers(labels, name, _LABELS).astype(np.uint8)


def mask_array(mask: MaskArray, name: str = "the mask") -> NDArray[np.bool_]:
    """Return the mask of one object as a new array.

    Args:
        mask: array or torch tensor of shape (H, W), boolean, of 0 and 1, or of 0 and 255; or a
            PIL image in black and white.
        name: what to call it in messages.

    Returns:
        Boolean array of shape (H, W).

    Raises:
        AnnotationError: it is something else; the message names what it is and what is wanted.
    """
    if isinstance(mask, Image.Image):
        values: NDArray[Any] = _of_image(mask, name)
    else:
        values = _whole_numbers(mask, name, _MASK)
    present = np.unique(values)
    if not (np.isin(present, (0, 1)).all() or np.isin(present, (0, VOID)).all()):
        first = present[present > 0][0]
        raise AnnotationError(
            f"{name} has the values {_some(present)}; {_MASK}: mask == {first} for one of them"
        )
    return values > 0


def _of_image(image: Image.Image, name: str) -> NDArray[np.uint8]:
    with decoding(name, AnnotationError):  # a file that is read only now, or closed
        return label_values(ImageOps.exif_transpose(image), name)


def _whole_numbers(mask: Any, name: str, wanted: str) -> NDArray[Any]:
    """Return an array (H, W) of booleans or whole numbers from 0 to 255, shared with the caller."""
    array = as_array(mask)
    if array is None:
        raise AnnotationError(f"{name} is {kind_of(mask)}; {wanted}, of shape (H, W)")
    if array.ndim != 2 or not array.size:
        one_too_many = array.ndim == 3 and 1 in (array.shape[0], array.shape[2])
        remedy = ": mask.squeeze() has it" if one_too_many else ""
        raise AnnotationError(f"{name} is {kind_of(mask)}; {wanted}, of shape (H, W){remedy}")
    if array.dtype != np.bool_ and not np.issubdtype(array.dtype, np.integer):
        raise AnnotationError(f"{name} is {kind_of(mask)}{_about_floats(array)}; {wanted}")
    low, high = int(array.min()), int(array.max())
    if low < 0 or high > VOID:
        remedy = ": mask > 0" if low < 0 else ""
        raise AnnotationError(
            f"{name} is {kind_of(mask)} with values from {low} to {high}; {wanted}{remedy}"
        )
    return array


def _about_floats(array: NDArray[Any]) -> str:
    """Describe what floating-point values seem to be, and how to make a mask of them."""
    if not np.issubdtype(array.dtype, np.floating):
        return ""
    if not np.isfinite(array).all():
        return " with values that are not finite"
    low, high = float(array.min()), float(array.max())
    limit, what = ("0.5", "probabilities") if low >= 0 and high <= 1 else ("0", "logits")
    return f" from {low:g} to {high:g} (if these are {what}, mask > {limit} is the mask)"


def _some(values: NDArray[Any]) -> str:
    shown = ", ".join(str(value) for value in values[:4])
    return shown if len(values) <= 4 else f"{shown}, …"
