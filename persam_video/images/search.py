"""What is looked for in a photo."""

from dataclasses import dataclass

from persam_video.errors import ConfigError
from persam_video.masks.labels import MAX_OBJECT_ID


@dataclass(frozen=True)
class Search:
    """How many objects are looked for in an image, and what counts as one.

    Attributes:
        max_objects: 1 looks for each of the references' objects once, and the label is the object's
            id. Otherwise all marked objects are examples of one category, of which up to so many
            are found, each in one piece, labelled 1, 2, … in the order in which they are found.
        overlap: a mask whose IoU with an earlier one is above this is that object again, and ends
            the search.
        score: a mask whose score is below this is no object, and ends the search.
    """

    max_objects: int = 1
    overlap: float = 0.5
    score: float = 0.6

    def __post_init__(self) -> None:
        if not 1 <= self.max_objects <= MAX_OBJECT_ID:
            raise ConfigError(
                f"the number of objects to look for is {self.max_objects}: "
                f"give 1 to {MAX_OBJECT_ID}"
            )
        for name, value in (("overlap", self.overlap), ("score", self.score)):
            if not 0 <= value <= 1:
                raise ConfigError(f"the {name} of the search is {value}: give 0 to 1")
