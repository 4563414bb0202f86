"""What tracking gives for one frame."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from persam_video.masks.boxes import Box, boxes_of_labels
from persam_video.masks.labels import areas_of_labels


class ObjectState(str, Enum):
    """Whether an object is being followed or has to be found again."""

    TRACKED = "tracked"
    LOST = "lost"


@dataclass(frozen=True)
class ObjectResult:
    """One object in one frame.

    Attributes:
        object_id: the annotation's label, 1 to 254; it never changes.
        state: ``tracked``, or ``lost`` when the object gives an empty mask and is searched for.
        score: confidence in the mask, 0 to 1.
        box: (x0, y0, x1, y1) in pixels, x1 and y1 exclusive; ``None`` for an empty mask.
        area: number of pixels of the mask.
        name: what the annotation calls the object; ``None`` where it only has an id.
    """

    object_id: int
    state: ObjectState
    score: float
    box: Box | None
    area: int
    name: str | None = None


@dataclass(frozen=True, eq=False)
class SoftMask:
    """The share of each pixel that belongs to an object.

    Attributes:
        box: (x0, y0, x1, y1) in pixels, x1 and y1 exclusive; the share is 0 outside of it.
        alpha: uint8 array of shape (y1 - y0, x1 - x0); 128 or more where the label map has the
            object, less elsewhere.
    """

    box: Box
    alpha: NDArray[np.uint8]


@dataclass(frozen=True)
class FrameResult:
    """All objects in one frame.

    Attributes:
        index: index of the frame in its source.
        time: presentation time in seconds.
        labels: uint8 array of shape (H, W); 0 is background, other values are object ids.
        objects: one entry per object known so far, in order of id.
        cut: whether the frame begins a new scene.
        soft: soft masks by object id, if requested from the tracker; objects whose mask comes from
            an annotation have none.
    """

    index: int
    time: float
    labels: NDArray[np.uint8]
    objects: tuple[ObjectResult, ...]
    cut: bool = False
    soft: Mapping[int, SoftMask] = field(default_factory=dict)

    @classmethod
    def from_labels(
        cls,
        index: int,
        time: float,
        labels: NDArray[np.uint8],
        object_ids: Sequence[int],
        *,
        scores: Mapping[int, float] | None = None,
        boxes: Mapping[int, Box | None] | None = None,
        states: Mapping[int, ObjectState] | None = None,
        cut: bool = False,
    ) -> "FrameResult":
        """Make a result from a label map, which gives every object's box and area.

        Args:
            index: index of the frame in its source.
            time: presentation time in seconds.
            labels: uint8 array of shape (H, W).
            object_ids: the objects known so far, in order, with or without a pixel.
            scores: by id; 1 for an object without one.
            boxes: by id, where they are known already.
            states: by id; an object without one is tracked where it has a pixel, and lost where
                it has none.
            cut: whether the frame begins a new scene.

        Examples:
            >>> labels = np.zeros((4, 6), np.uint8)
            >>> labels[1:3, 2:6] = 1
            >>> result = FrameResult.from_labels(0, 0.0, labels, [1, 2])
            >>> [(o.object_id, o.state.value, o.box, o.area) for o in result.objects]
            [(1, 'tracked', (2, 1, 6, 3), 8), (2, 'lost', None, 0)]
        """
        if boxes is None:
            boxes = boxes_of_labels(labels, object_ids)
        areas = areas_of_labels(labels, object_ids)
        scores, states = scores or {}, states or {}
        objects = tuple(
            ObjectResult(
                i,
                states.get(i, ObjectState.TRACKED if areas[i] else ObjectState.LOST),
                scores.get(i, 1.0),
                boxes[i],
                areas[i],
            )
            for i in object_ids
        )
        return cls(index, time, labels, objects, cut)

    @cached_property
    def visible(self) -> dict[int, Box]:
        """Boxes of the objects that have a pixel in the label map, in order of id."""
        boxes = boxes_of_labels(self.labels, range(1, 256))
        return {object_id: box for object_id, box in boxes.items() if box is not None}

    def named(self, names: Mapping[int, str]) -> "FrameResult":
        """Return the same result with the objects called by these names, by id."""
        objects = tuple(replace(o, name=names.get(o.object_id)) for o in self.objects)
        return replace(self, objects=objects)

    def only(self, object_ids: Collection[int]) -> "FrameResult":
        """Return the result without all other objects.

        Examples:
            >>> result = FrameResult.from_labels(0, 0.0, np.array([[1, 2, 3]], np.uint8), [1, 2, 3])
            >>> result.only([3]).labels.tolist()
            [[0, 0, 3]]
        """
        kept = np.zeros(256, np.uint8)
        kept[list(object_ids)] = list(object_ids)
        objects = tuple(known for known in self.objects if known.object_id in object_ids)
        soft = {i: mask for i, mask in self.soft.items() if i in object_ids}
        return replace(self, labels=kept[self.labels], objects=objects, soft=soft)

    def mask(self, object_id: int) -> NDArray[np.bool_]:
        """Return the boolean (H, W) mask of one object."""
        mask: NDArray[np.bool_] = self.labels == object_id
        return mask
