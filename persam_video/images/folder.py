"""From photos on disk to a folder of masks, overlays and run-length codes."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persam_video.config import Settings, load_settings
from persam_video.drawing.overlay import draw_overlay, write_picture
from persam_video.errors import OutputError
from persam_video.images.one_shot import (
    OneShotSegmenter,
    Segment,
    check_settings,
)
from persam_video.images.reference_files import ReferenceFiles, read_references
from persam_video.images.search import Search
from persam_video.masks.png import write_label_png
from persam_video.masks.rle import encode_labels
from persam_video.results import FrameResult
from persam_video.sam.build import load_model
from persam_video.sam.model import SamModel
from persam_video.util.atomic import make_folder, write_bytes
from persam_video.util.inputs import ProtectedInputs
from persam_video.util.names import folded_name
from persam_video.video.image_decoder import find_images, read_image
from persam_video.video.inputs import source_inputs
from persam_video.video.masks_beside import refuse_masks_beside
from persam_video.video.source import Location, locate


@dataclass(frozen=True)
class SegmentedImage:
    """What was found in one image.

    Attributes:
        path: the image.
        size: (height, width) in pixels.
        segments: the objects found, in order of label; see ``Segment``.
        mask: file with the label map.
        names: what the reference photos call the objects, by label, for those that have a name.
    """

    path: Path
    size: tuple[int, int]
    segments: tuple[Segment, ...]
    mask: Path
    names: Mapping[int, str] = field(default_factory=dict)

    @property
    def labels(self) -> NDArray[np.uint8]:
        """The label map, uint8 (H, W)."""
        labels = np.zeros(self.size, np.uint8)
        for segment in self.segments:
            labels[segment.mask] = segment.label
        return labels


@dataclass(frozen=True)
class ImageOutputs:
    """Where the results of segmenting images go.

    Attributes:
        folder: the folder of all of them.
        images: the images to segment. Results are named after them; images of the same name are
            told apart by their folders, as ``left_00010`` and ``right_00010``, or by their suffix
            if they are in one folder.
    """

    folder: Path
    images: tuple[Path, ...] = ()

    @property
    def record(self) -> Path:
        """Model, settings and reference photos, and the segments of every image.

        The file has this form::

            {"model": {...}, "settings": {...}, "box_format": "xywh",
             "references": [{"image": "...", "mask": "..."}],
             "images": [
               {"file": "photo.jpg", "mask": "photo.png", "width": 854, "height": 480,
                "segments": [
                  {"label": 1,                     pixel value in the mask PNG
                   "name": "cat",                  only for objects that have one
                   "score": 0.93,                  0 to 1, six decimals; see Segment
                   "box": [10, 20, 30, 40],        x, y, width, height in pixels
                   "area": 812,                    pixels of the mask
                   "segmentation": {"size": [480, 854], "counts": "..."}}]}]}

        ``segmentation`` is COCO's compressed run-length code, as pycocotools reads it.
        """
        return self.folder / "segments.json"

    def mask(self, image: Path) -> Path:
        """The label map of an image, an indexed PNG."""
        return self.folder / f"{self._names.get(image, image.stem)}.png"

    def overlay(self, image: Path) -> Path:
        """The image with the masks drawn over it."""
        return self.folder / f"{self._names.get(image, image.stem)}.overlay.png"

    @cached_property
    def _names(self) -> dict[Path, str]:
        return _distinct_names(self.images)

    def prepare(self, inputs: ProtectedInputs, *, overwrite: bool) -> None:
        """Make the folder.

        Args:
            inputs: files that must not be overwritten.
            overwrite: whether results of an earlier run may be replaced.

        Raises:
            OutputError: the folder cannot be made, an output is there already, would replace an
                input, or would belong to two images.
        """
        outputs = [self.record]
        outputs += [make(image) for image in self.images for make in (self.mask, self.overlay)]
        name, count = Counter(folded_name(path.name) for path in outputs).most_common(1)[0]
        if count > 1:
            raise OutputError(
                f"{count} images would write {name}: give images with different names"
            )
        if self.folder.exists() and not self.folder.is_dir():
            raise OutputError(f"{self.folder} is a file: give a folder for the output")
        inputs.check(outputs)
        present = [path for path in outputs if path.exists()]
        if present and not overwrite:
            raise OutputError(f"{present[0]} exists: pass --overwrite, or another folder")
        make_folder(self.folder)


def segment(
    references: Sequence[ReferenceFiles],
    tests: Sequence[str | Path],
    out: str | Path,
    *,
    settings: Settings | None = None,
    search: Search | None = None,
    model: SamModel | None = None,
    overwrite: bool = False,
    keep: Sequence[Path] = (),
    on_image: Callable[[SegmentedImage], None] | None = None,
) -> None:
    """Find the objects of annotated photos in other photos, and write the results.

    After an error or an interrupt, finished images are kept.

    Args:
        references: the reference photos with their masks, at least one.
        tests: photos, folders or globs of photos.
        out: the folder; ``ImageOutputs`` lists the files.
        settings: the preset ``images`` when not given.
        search: how many objects to look for; ``Search()`` when not given.
        model: a loaded model; loaded by the settings when not given.
        overwrite: replace results of an earlier run in the folder.
        keep: other files that must not be written to, such as the configuration.
        on_image: called when an image is done.

    Raises:
        PersamVideoError: an image, a mask, the model, a setting or the folder cannot be used.
            Nothing is written if that is found before the first image is segmented.
    """
    settings = settings or load_settings("images")
    check_settings(settings)
    given = (path for test in tests for path in _photos(locate(Path(test))))
    images = tuple(dict.fromkeys(given))  # an image that is given twice is segmented once
    learned = read_references(references)
    search = search or Search()
    names = {i: name for photo in learned for i, name in photo.marked.names.items()}
    if search.max_objects > 1:  # labels are numbers then, and no ids
        names = {}
    for path in images:
        read_image(path)  # a damaged image should fail before an hour's work, not after it
    model = model or load_model(settings)
    segmenter = OneShotSegmenter(model, learned, settings, search)
    outputs = ImageOutputs(Path(out), images)
    checkpoint = settings.model.checkpoint
    inputs = ProtectedInputs((*keep, *(() if checkpoint is None else (checkpoint,))))
    for reference in references:
        inputs |= reference.inputs
    for test in tests:
        inputs |= source_inputs(Path(test))
    outputs.prepare(inputs, overwrite=overwrite)
    record: dict[str, Any] = {
        "model": {"name": model.info.name, "sha256": model.info.sha256},
        "settings": settings.model_dump(mode="json"),
        "box_format": "xywh",
        "references": [{"image": str(r.image), "mask": str(r.mask)} for r in references],
        "images": [],
    }
    try:
        for path in images:
            rgb = read_image(path)
            size, segments = (rgb.shape[0], rgb.shape[1]), tuple(segmenter.segment(rgb))
            done = SegmentedImage(path, size, segments, outputs.mask(path), names)
            labels, found = done.labels, [segment.label for segment in segments]
            write_label_png(done.mask, labels)
            result = FrameResult.from_labels(0, 0.0, labels, found).named(names)
            write_picture(outputs.overlay(path), draw_overlay(rgb, labels, result.objects))
            record["images"].append(_as_json(done))
            if on_image is not None:
                on_image(done)
    finally:
        write_bytes(outputs.record, f"{json.dumps(record, indent=1)}\n".encode())


def _photos(location: Location) -> Sequence[Path]:
    images = find_images(location)
    refuse_masks_beside(location, images)
    return images


def _as_json(done: SegmentedImage) -> dict[str, Any]:
    """Return an image's entry in ``segments.json``; boxes are COCO's x, y, width, height."""
    height, width = done.size
    codes = encode_labels(done.labels, [segment.label for segment in done.segments])
    segments = []
    for segment in done.segments:
        x0, y0, x1, y1 = segment.box
        segments.append(
            {
                "label": segment.label,
                **({"name": done.names[segment.label]} if segment.label in done.names else {}),
                "score": round(segment.score, 6),
                "box": [x0, y0, x1 - x0, y1 - y0],
                "area": int(np.count_nonzero(segment.mask)),
                "segmentation": codes[segment.label],
            }
        )
    return {
        "file": str(done.path),
        "mask": done.mask.name,
        "width": width,
        "height": height,
        "segments": segments,
    }


def _distinct_names(images: Sequence[Path]) -> dict[Path, str]:
    """Return the stem of each image, extended where several images have the same."""
    siblings = Counter((image.parent, folded_name(image.stem)) for image in images)
    stems = {
        image: image.name if siblings[image.parent, folded_name(image.stem)] > 1 else image.stem
        for image in images
    }
    names = stems
    for depth in range(1, max((len(image.absolute().parts) for image in images), default=0)):
        # case-insensitive file systems would take A.png for a.png
        uses = Counter(folded_name(name) for name in names.values())
        if all(count == 1 for count in uses.values()):
            break
        names = {
            image: "_".join([*image.absolute().parts[1:-1][-depth:], stems[image]])
            if uses[folded_name(name)] > 1
            else name
            for image, name in names.items()
        }
    return names
