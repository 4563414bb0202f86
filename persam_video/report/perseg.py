"""Scores on PerSeg as one self-contained HTML page, without scripts or external files."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from persam_video.perseg.metrics import ScoredImage
from persam_video.report import pictures
from persam_video.report.html import css_colour, rendered
from persam_video.report.pictures import FramePictures, mask_pictures
from persam_video.util.atomic import write_output

if TYPE_CHECKING:
    from persam_video.perseg.evaluation import PerSegObjectScore, PerSegScore


@dataclass(frozen=True)
class ShownImage:
    """An image of an object, with pictures.

    Attributes:
        name: of the image.
        iou: intersection over union, 0 to 1.
        boundary_iou: the same of the boundary regions.
        shown: the pictures.
    """

    name: str
    iou: float
    boundary_iou: float
    shown: FramePictures


@dataclass(frozen=True)
class ShownPerSegObject:
    """An object.

    Attributes:
        score: its scores.
        images: its images, in order.
    """

    score: "PerSegObjectScore"
    images: tuple[ShownImage, ...]

    @property
    def pictured(self) -> list[tuple[str, ShownImage]]:
        """The images that are shown, the worst first, with titles."""
        ordered = sorted(self.images, key=lambda image: image.iou)
        if len(ordered) == 1:
            return [("Only image", ordered[0])]
        return [("Worst image", ordered[0]), ("Best image", ordered[-1])]


class PerSegReport:
    """Collects pictures while a dataset is evaluated, and writes the page.

    Args:
        method: name of the method.
        references: names of the reference photos.
    """

    def __init__(self, method: str, references: tuple[str, ...]) -> None:
        self._method, self._references = method, references
        self._images: dict[str, list[ShownImage]] = {}

    def add(self, scored: ScoredImage) -> None:
        """Draw an image; for ``on_image`` of ``evaluate_perseg``."""
        truth, found = (mask.astype(np.uint8) for mask in (scored.truth, scored.found))
        shown = mask_pictures(scored.rgb, truth, found)
        image = ShownImage(scored.name, scored.iou, scored.boundary_iou, shown)
        self._images.setdefault(scored.shown, []).append(image)

    def write(self, score: "PerSegScore", path: Path) -> None:
        """Write the page; it appears whole or not at all.

        Raises:
            OutputError: the file cannot be written.
        """
        text = rendered(
            "perseg.html",
            method=self._method,
            references=self._references,
            score=score,
            objects=[
                ShownPerSegObject(one, tuple(self._images[one.name])) for one in score.objects
            ],
            colours={
                "missed": css_colour(pictures.MISSED),
                "extra": css_colour(pictures.EXTRA),
            },
        )
        write_output(path, text.encode())
