"""From clicks and boxes to the mask of one object, by the model."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from persam_video.errors import AnnotationError
from persam_video.prompting import ObjectPrompts, annotate
from persam_video.sam.model import ImageEmbedding, SamModel
from persam_video.studio.gestures import Box, Click


def answer(
    model: SamModel,
    embedding: ImageEmbedding,
    rgb: NDArray[np.uint8],
    object_id: int,
    marks: Sequence[Click | Box],
    previous: NDArray[np.bool_] | None,
    radius: float,
) -> NDArray[np.bool_]:
    """Segment an object that clicks and boxes name.

    Without a mask, this is ``annotate``. Otherwise that is shown the mask as well, and the last
    click is made to count: where the answer does not do as it says, what that click alone gives is
    added or taken away, and at the least a disc around it.

    Args:
        model: the SAM.
        embedding: of the frame.
        rgb: the frame, uint8 (H, W, 3).
        object_id: 1 to 254.
        marks: in their order; the latest box counts.
        previous: the mask (H, W) so far.
        radius: of the disc, in pixels.

    Returns:
        bool (H, W).

    Raises:
        AnnotationError: the mask would be empty.
    """
    prompts = _prompts(object_id, marks)
    latest = marks[-1]
    if previous is None:
        return _ask(model, embedding, rgb, prompts, None)
    if isinstance(latest, Box):
        # a box is drawn anew when what is there is wrong
        return _ask(model, embedding, rgb, ObjectPrompts(object_id, latest.corners), None)
    try:
        mask = _ask(model, embedding, rgb, prompts, previous)
    except AnnotationError:
        mask = previous
    if _obeys(mask, latest):
        return _not_empty(mask)
    alone = ObjectPrompts(object_id, points=((latest.x, latest.y),))
    try:
        part = _ask(model, embedding, rgb, alone, None)
    except AnnotationError:
        part = np.zeros_like(previous)
    rows, columns = np.indices(previous.shape) + 0.5
    part = part | (np.hypot(columns - latest.x, rows - latest.y) <= radius)
    return _not_empty(previous | part if latest.positive else previous & ~part)


def _prompts(object_id: int, marks: Sequence[Click | Box]) -> ObjectPrompts:
    clicks = [mark for mark in marks if isinstance(mark, Click)]
    boxes = [mark.corners for mark in marks if isinstance(mark, Box)]
    return ObjectPrompts(
        object_id,
        boxes[-1] if boxes else None,
        tuple((click.x, click.y) for click in clicks if click.positive),
        tuple((click.x, click.y) for click in clicks if not click.positive),
    )


def _ask(
    model: SamModel,
    embedding: ImageEmbedding,
    rgb: NDArray[np.uint8],
    prompts: ObjectPrompts,
    previous: NDArray[np.bool_] | None,
) -> NDArray[np.bool_]:
    if previous is not None:
        # what is shown may reach out of a box that was drawn before
        prompts = replace(prompts, box=None)
    annotation = annotate(model, rgb, [prompts], embedding=embedding, previous=previous)
    return annotation.mask(prompts.object_id)


def _obeys(mask: NDArray[np.bool_], click: Click) -> bool:
    return bool(mask[int(click.y), int(click.x)]) == click.positive


def _not_empty(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    if not mask.any():
        raise AnnotationError("nothing would be left of the object: use Clear to take it back")
    return mask
