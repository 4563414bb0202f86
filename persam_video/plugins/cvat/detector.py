"""The objects of an annotated photo, found in every frame, as a function for CVAT's detectors.

Run it on a task: ``cvat-cli task auto-annotate TASK --function-module
persam_video.plugins.cvat.detector -p photo=str:cat.jpg -p mask=str:cat.png -p label=str:cat``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import cvat_sdk.auto_annotation as cvataa
import numpy as np
from cvat_sdk.models import LabeledShapeRequest

from persam_video.errors import ConfigError
from persam_video.images import OneShotSegmenter, Reference, ReferenceFiles, Search
from persam_video.masks import Annotation, load_annotation
from persam_video.plugins.cvat.pictures import ending_in_one_line, load
from persam_video.plugins.cvat.shapes import points_of

if TYPE_CHECKING:
    from PIL.Image import Image


class Detector:
    """Finds the objects of a photo in frames, each of which is searched by itself.

    Args:
        segmenter: knows the objects.
        labels: what the task calls them, by id in the photo.
    """

    def __init__(self, segmenter: OneShotSegmenter, labels: Mapping[int, str]) -> None:
        self._segmenter = segmenter
        names = list(dict.fromkeys(labels.values()))
        self._numbers = {object_id: names.index(name) for object_id, name in labels.items()}
        self.spec = cvataa.DetectionFunctionSpec(
            labels=[
                cvataa.label_spec(name, number, type="mask") for number, name in enumerate(names)
            ]
        )

    def detect(
        self, context: cvataa.DetectionFunctionContext, image: "Image"
    ) -> list[LabeledShapeRequest]:
        """Return what was found, as masks, or as polygons where those are asked for."""
        least = context.conf_threshold or 0.0
        kind = "polygon" if context.conv_mask_to_poly else "mask"
        found = self._segmenter.segment(np.asarray(image.convert("RGB"), np.uint8))
        return [
            cvataa.shape(
                self._numbers.get(segment.label, 0),  # of a category, all are of the one label
                type=kind,
                points=points_of(segment.mask, kind),
            )
            for segment in found
            if segment.score >= least
        ]


def create(
    photo: str,
    mask: str,
    label: str | None = None,
    max_objects: int = 1,
    score: float | None = None,
    preset: str = "images",
    model: str | None = None,
    device: str | None = None,
) -> Detector:
    """Make the function; an error, such as a missing file, ends the program in one line.

    Args:
        photo: the image that shows the objects.
        mask: its annotation; see ``persam_video.masks.read_annotation``.
        label: what the task calls the object; the names in the annotation when not given.
        max_objects: see ``Search``.
        score: from which an object counts as found; see ``Search``.
        preset: see ``pictures.load``.
        model: see ``pictures.load``.
        device: see ``pictures.load``.
    """
    with ending_in_one_line():
        files = ReferenceFiles(Path(photo), Path(mask))
        shown = files.read()
        annotation = load_annotation(shown.annotation)
        names = _names(files, annotation, label)
        search = Search(max_objects, score=score)
        if max_objects > 1 and len({*names.values()}) > 1:
            raise ConfigError(
                f"{mask}: with max_objects, all marked objects are examples of one category; give "
                "-p label=str:NAME, as the task calls it"
            )
        settings, loaded = load(preset, model, device)
        segmenter = OneShotSegmenter(loaded, [Reference(shown.rgb, annotation)], settings, search)
    return Detector(segmenter, names)


def _names(files: ReferenceFiles, annotation: Annotation, label: str | None) -> Mapping[int, str]:
    """Return what the task calls the objects of a photo, by their ids.

    Raises:
        ConfigError: an object has no name.
    """
    if label is not None:
        return dict.fromkeys(annotation.object_ids, label)
    missing = [str(i) for i in annotation.object_ids if i not in annotation.names]
    if missing:
        raise ConfigError(
            f"{files.mask}: object {', '.join(missing)} has no name; give -p label=str:NAME, as "
            "the task calls it"
        )
    return annotation.names
