"""What to search for in a photo."""

from dataclasses import dataclass

from persam_video.errors import ConfigError
from persam_video.masks.labels import MAX_OBJECT_ID

SAME_OBJECT = 0.65
"""Match score from which a mask shows the object that was looked for; chosen on the training videos
by ``python -m eval.photo_search``, so that few are missed."""

SEEN = 0.72
"""Match score from which an object counts as seen in a frame: the best F1 on the training videos of
``python -m eval.photo_search``. It is higher than for a photo, because every frame is another
chance to be wrong, and a wrong object would be tracked from there on."""

GOOD_MASK = 0.6
"""Predicted IoU from which a mask counts when searching for a category."""


@dataclass(frozen=True)
class Search:
    """How many objects to find in an image, and what counts as one.

    Attributes:
        max_objects: 1 finds each of the reference photos' objects once, labelled by its id.
            Otherwise all marked objects are examples of one category, of which up to
            ``max_objects`` are found, each in one piece, labelled 1, 2, … in the order found.
        overlap: a mask whose IoU with an earlier one is above this is the same object again, and
            ends the search.
        score: a mask that scores below this (see ``Segment``) is not an object; the search ends.
            ``None`` is ``SAME_OBJECT``, or ``GOOD_MASK`` when searching for a category.
    """

    max_objects: int = 1
    overlap: float = 0.5
    score: float | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.max_objects <= MAX_OBJECT_ID:
            raise ConfigError(
                f"the number of objects to search for is {self.max_objects}: "
                f"give 1 to {MAX_OBJECT_ID}"
            )
        for name, value in (("overlap", self.overlap), ("score", self.least_score)):
            if not 0 <= value <= 1:
                raise ConfigError(f"the {name} of the search is {value}: give 0 to 1")

    @property
    def least_score(self) -> float:
        """The score from which a mask counts as an object."""
        if self.score is not None:
            return self.score
        return SAME_OBJECT if self.max_objects == 1 else GOOD_MASK
