"""What a caller gives a tracker: frames and masks of many kinds, taken where they are clear."""

from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from persam_video.errors import AnnotationError
from persam_video.masks.annotation import Annotation
from persam_video.masks.labels import MAX_OBJECT_ID, VOID
from persam_video.video.frame import Frame
from persam_video.video.pixels import as_rgb, is_tensor

_WANTED = "give a boolean mask of shape (H, W)"


def as_frame(frame: Any, number: int) -> Frame:
    """Return what a tracker is given as a frame.

    Args:
        frame: a ``Frame``, or a picture that ``persam_video.video.pixels.as_rgb`` takes.
        number: index of a frame that does not say its own; its time is 0.

    Raises:
        SourceError: it is no such picture; the message names what it is and what is wanted.
    """
    if not isinstance(frame, Frame):
        return Frame(number, as_rgb(frame), 0.0)
    rgb = frame.rgb
    if isinstance(rgb, np.ndarray) and rgb.dtype == np.uint8 and rgb.shape[2:] == (3,) and rgb.size:
        return frame
    return Frame(frame.index, as_rgb(rgb, f"frame {frame.index}"), frame.time)


def as_annotation(annotation: Any) -> Any:
    """Return an annotation in a form that ``load_annotation`` takes: images become arrays."""
    return _as_array(annotation) if isinstance(annotation, Image.Image) else _on_cpu(annotation)


def as_mask(mask: Any, object_id: int, size: tuple[int, int]) -> Annotation:
    """Return one object's mask as an annotation of a frame.

    Args:
        mask: (H, W) booleans, or whole numbers: 0, and for the object one other value, 1, 255 or
            its id. A NumPy array, a PIL image, a torch tensor, or an ``Annotation`` of it alone.
        object_id: 1 to 254.
        size: height and width of the frame.

    Raises:
        AnnotationError: the id is out of range, or the mask is none of these, is empty or has
            another size; the message names its type and shape and what is wanted.
    """
    name = f"the mask of object {object_id}"
    object_id = check_object_id(object_id)
    values = _as_array(mask)
    if values.dtype.kind == "f":
        raise AnnotationError(
            f"{name} is {values.dtype} of shape {values.shape}: {_WANTED}, such as mask > 0 for "
            "logits and mask > 0.5 for probabilities"
        )
    if values.dtype.kind not in "bui" or values.ndim != 2:
        raise AnnotationError(f"{name} is {values.dtype} of shape {values.shape}: {_WANTED}")
    if values.shape != size:
        raise AnnotationError(
            f"{name} is {values.shape[1]}x{values.shape[0]} pixels, the frame is "
            f"{size[1]}x{size[0]} (width x height): give a mask of the frame's size"
        )
    found = np.unique(values).tolist()
    if len(found) > 2 or not set(found) <= {0, 1, VOID, object_id}:
        shown = ", ".join(map(str, found[:4])) + (", …" if len(found) > 4 else "")
        raise AnnotationError(
            f"{name} is {values.dtype} of shape {values.shape} with the values {shown}: {_WANTED}, "
            f"such as labels == {object_id} for a label map"
        )
    inside = values != 0
    if not inside.any():
        raise AnnotationError(f"{name} is empty: mark at least one pixel")
    return Annotation.from_labels(np.where(inside, np.uint8(object_id), np.uint8(0)))


def check_object_id(object_id: Any) -> int:
    """Return an object id as an int.

    Raises:
        AnnotationError: it is no whole number from 1 to 254.
    """
    try:
        number = index(object_id)
    except TypeError:
        number = 0
    if not 1 <= number <= MAX_OBJECT_ID:
        raise AnnotationError(f"object id {object_id!r}: give a whole number, 1 to {MAX_OBJECT_ID}")
    return number


def _as_array(mask: Any) -> NDArray[Any]:
    if isinstance(mask, Annotation):
        return mask.labels
    return np.asarray(_on_cpu(mask))


def _on_cpu(value: Any) -> Any:
    return value.detach().cpu().numpy() if is_tensor(value) else value
