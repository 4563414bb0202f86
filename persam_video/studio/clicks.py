"""Turn clicks and boxes into the mask of one object with the model."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from persam_video.errors import AnnotationError
from persam_video.prompting import ObjectPrompts, annotate, encode_for_prompts
from persam_video.sam.model import ImageEmbedding, SamModel
from persam_video.studio.gestures import Box, Click, Stroke
from persam_video.video import Frame

_EMBEDDINGS = 3
"""Number of encoded frames kept, as users click in one frame or go back and forth between two."""

_DISC = 0.012
"""Radius of the smallest change that a click makes, as a share of the frame's shorter side."""

_CHANGE = 0.5
"""Largest change that one click makes where the model did not follow it, as a share of the mask:
the mask of a click on the background is often that of the object beside it."""


class ClickAnswerer:
    """Answers clicks and boxes with masks; the latest frames stay encoded.

    Without a mask, the answer is that of ``annotate``. Otherwise the mask is given as a prompt too,
    and the last click always takes effect: if the answer contradicts it, the mask of that click
    alone is added or removed if it is a small part, and otherwise a disc around the click.
    """

    def __init__(self) -> None:
        self._embeddings: OrderedDict[int, tuple[ImageEmbedding, ...]] = OrderedDict()

    def forget(self) -> None:
        """Free the encoded frames."""
        self._embeddings = OrderedDict()

    def answer(
        self,
        model: SamModel,
        frame: Frame,
        object_id: int,
        marks: Sequence[Click | Box],
        previous: NDArray[np.bool_] | None,
    ) -> NDArray[np.bool_]:
        """Segment the object that clicks and boxes mark.

        Args:
            model: the SAM.
            frame: the frame that they are in.
            object_id: 1 to 254.
            marks: clicks and boxes in order; the latest box counts.
            previous: the current mask (H, W).

        Returns:
            bool (H, W).

        Raises:
            AnnotationError: the mask would be empty.
        """
        ask = partial(_ask, model, frame, self._encoded(model, frame))
        prompts = _prompts(object_id, marks)
        latest = marks[-1]
        if previous is None:
            return ask(prompts)
        if isinstance(latest, Box):
            # drawing a new box means that the current mask is wrong
            return ask(ObjectPrompts(object_id, latest.corners))
        try:
            # the current mask may extend beyond an earlier box
            mask = ask(replace(prompts, box=None), previous)
        except AnnotationError:
            mask = previous
        if not _obeys(mask, latest):
            part = _around(latest, mask.shape)
            try:
                # unrefined, which takes a third of the time, as it is only a part of the mask
                point = ObjectPrompts(object_id, points=((latest.x, latest.y),))
                alone = ask(point, refine=False)
                changed = np.count_nonzero(alone & (previous != latest.positive))
                if changed <= _CHANGE * np.count_nonzero(previous):
                    part = part | alone
            except AnnotationError:
                pass  # the disc alone
            mask = previous | part if latest.positive else previous & ~part
        if not mask.any():
            raise AnnotationError("nothing would be left of the object: use Clear instead")
        return mask

    def _encoded(self, model: SamModel, frame: Frame) -> tuple[ImageEmbedding, ...]:
        kept = self._embeddings
        embeddings = kept.pop(frame.index, None) or encode_for_prompts(model, frame.rgb)
        kept[frame.index] = embeddings
        while len(kept) > _EMBEDDINGS:
            kept.popitem(last=False)
        return embeddings


def _ask(
    model: SamModel,
    frame: Frame,
    embeddings: tuple[ImageEmbedding, ...],
    prompts: ObjectPrompts,
    previous: NDArray[np.bool_] | None = None,
    *,
    refine: bool = True,
) -> NDArray[np.bool_]:
    annotation = annotate(
        model, frame.rgb, [prompts], embeddings=embeddings, previous=previous, refine=refine
    )
    return annotation.mask(prompts.object_id)


def _prompts(object_id: int, marks: Sequence[Click | Box]) -> ObjectPrompts:
    clicks = [mark for mark in marks if isinstance(mark, Click)]
    boxes = [mark.corners for mark in marks if isinstance(mark, Box)]
    return ObjectPrompts(
        object_id,
        boxes[-1] if boxes else None,
        tuple((click.x, click.y) for click in clicks if click.positive),
        tuple((click.x, click.y) for click in clicks if not click.positive),
    )


def _obeys(mask: NDArray[np.bool_], click: Click) -> bool:
    return bool(mask[int(click.y), int(click.x)]) == click.positive


def _around(click: Click, size: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return a disc (H, W) around a click, which always contains its pixel."""
    height, width = size
    radius = max(1.0, _DISC * min(height, width))
    return Stroke(((click.x, click.y),), radius).cover((height, width))
