"""Validation of the frames and masks that callers give a tracker."""

from operator import index
from typing import Any

import numpy as np

from persam_video.errors import AnnotationError, SourceError
from persam_video.masks.annotation import Annotation, check_mask_size
from persam_video.masks.arrays import MaskArray, mask_array
from persam_video.masks.labels import MAX_OBJECT_ID
from persam_video.video.frame import Frame
from persam_video.video.picture import Picture
from persam_video.video.pixels import as_rgb


def as_frame(frame: Any, number: int) -> Frame:
    """Convert an argument to a frame.

    Args:
        frame: a ``Frame``, or a picture that ``persam_video.video.pixels.as_rgb`` takes.
        number: index for a picture without its own; its time is 0.

    Raises:
        SourceError: it is not such a picture; the message says what it is and what is expected.
    """
    if not isinstance(frame, Frame):
        return Frame(number, as_rgb(frame), 0.0)
    pixels = frame.pixels
    if isinstance(pixels, Picture) or _is_rgb(pixels):
        return frame
    return Frame(frame.index, as_rgb(pixels, f"frame {frame.index}"), frame.time)


def _is_rgb(pixels: Any) -> bool:
    is_array = isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8 and pixels.size > 0
    return is_array and pixels.shape[2:] == (3,)


def check_frame_size(frame: Frame, before: tuple[int, int] | None) -> tuple[int, int]:
    """Return the size of a video's next frame, (height, width).

    Args:
        frame: the frame.
        before: size of earlier frames; ``None`` before the first.

    Raises:
        SourceError: the sizes differ.
    """
    size = frame.size
    if before is not None and size != before:
        raise SourceError(
            f"frame {frame.index} is {size[1]}x{size[0]}, the ones before were "
            f"{before[1]}x{before[0]}: split the video where its size changes"
        )
    return size


def as_mask(mask: MaskArray, object_id: int, size: tuple[int, int]) -> Annotation:
    """Convert one object's mask to an annotation of a frame.

    Args:
        mask: anything that ``persam_video.masks.mask_array`` takes.
        object_id: 1 to 254.
        size: height and width of the frame.

    Raises:
        AnnotationError: the id is out of range, or the mask is invalid, empty or of another
            size.
    """
    object_id = check_object_id(object_id)
    name = f"the mask of object {object_id}"
    inside = mask_array(mask, name)
    check_mask_size((inside.shape[0], inside.shape[1]), size, name)
    if not inside.any():
        raise AnnotationError(f"{name} is empty: mark at least one pixel")
    return Annotation.from_labels(np.where(inside, np.uint8(object_id), np.uint8(0)))


def check_object_id(object_id: Any) -> int:
    """Return an object id as an int.

    Raises:
        AnnotationError: it is not a whole number from 1 to 254.
    """
    try:
        number = index(object_id)
    except TypeError:
        number = 0
    if not 1 <= number <= MAX_OBJECT_ID:
        raise AnnotationError(f"object id {object_id!r}: give a whole number, 1 to {MAX_OBJECT_ID}")
    return number
