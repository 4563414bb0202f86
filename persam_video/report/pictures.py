"""Pictures of single frames for a page: the image, the truth, the prediction and the errors."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from persam_video.davis.dataset import DavisSequence
from persam_video.davis.evaluation import read_scored
from persam_video.davis.protocol import ScoredDataset
from persam_video.davis.results import find_masks
from persam_video.davis.scores import SequenceScore
from persam_video.drawing.overlay import draw_overlay
from persam_video.drawing.overlay_style import OverlayStyle
from persam_video.errors import PersamVideoError
from persam_video.masks.boxes import Box
from persam_video.masks.labels import VOID
from persam_video.report.picture import (
    PLAIN,
    WITHOUT_IMAGE,
    Picture,
    encoded,
    part_around,
    picture_size,
    resized,
)
from persam_video.video.image_decoder import read_image

Rgb = NDArray[np.uint8]
Labels = NDArray[np.uint8]

MISSED = (240, 82, 82)
EXTRA = (66, 133, 244)
SWAPPED = (250, 204, 21)
_RIGHT = (235, 238, 242)
_STRENGTH = {MISSED: 0.9, EXTRA: 0.9, SWAPPED: 0.9, _RIGHT: 0.45}
_DIM = 0.42


@dataclass(frozen=True)
class FramePictures:
    """The pictures of one frame.

    Attributes:
        pictures: the image if there is one, the truth, the prediction and the errors.
        is_cut: whether they are cropped around the objects.
    """

    pictures: tuple[Picture, ...]
    is_cut: bool


def frame_pictures(
    dataset: ScoredDataset, results: Path, sequence: SequenceScore, frame: str
) -> FramePictures:
    """Draw one scored frame.

    Args:
        dataset: the set that was scored against.
        results: folder of the results, in any layout that ``davis.results`` knows.
        sequence: the sequence's scores.
        frame: name of the frame.

    Raises:
        DatasetError: the annotation or the result can no longer be read.
    """
    files = dataset.sequence(sequence.name)
    annotation = next(path for path in files.annotations if path.stem == frame)
    truth = read_scored(annotation, dataset)
    shape = (truth.shape[0], truth.shape[1])
    masks = find_masks(results, sequence.name, dataset)
    predicted = read_scored(masks / annotation.name, dataset, shape)
    predicted = _as_objects(predicted, sequence)
    image = _image(files, frame, shape)
    box = part_around(((truth > 0) & (truth != VOID)) | (predicted > 0))
    void = truth == VOID
    truth, predicted = (np.where(void, 0, each).astype(np.uint8) for each in (truth, predicted))
    return mask_pictures(image, truth, predicted, box)


def mask_pictures(
    image: Rgb | None, truth: Labels, predicted: Labels, box: Box | None = None
) -> FramePictures:
    """Draw an image with its true and its predicted masks.

    Args:
        image: uint8 (H, W, 3), or ``None``.
        truth: uint8 (H, W) labels.
        predicted: the same of the prediction.
        box: the part to show; by default that around the objects.
    """
    shape = (truth.shape[0], truth.shape[1])
    box = box or part_around((truth > 0) | (predicted > 0))
    x0, y0, x1, y1 = box
    truth, predicted = truth[y0:y1, x0:x1], predicted[y0:y1, x0:x1]
    size = picture_size(*shape)
    base = resized(
        np.full((*truth.shape, 3), PLAIN, np.uint8) if image is None else image[y0:y1, x0:x1], size
    )
    truth, predicted = (
        cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST).astype(np.uint8)
        for labels in (truth, predicted)
    )
    style = OverlayStyle(tags=False) if image is not None else WITHOUT_IMAGE
    drawn = {
        "image": base,
        "annotation": draw_overlay(base, truth, style=style),
        "prediction": draw_overlay(base, predicted, style=style),
        "errors": error_map(base, truth, predicted),
    }
    if image is None:
        del drawn["image"]
    return FramePictures(
        tuple(encoded(title, rgb) for title, rgb in drawn.items()), box != (0, 0, *shape[::-1])
    )


def error_map(rgb: Rgb, truth: Labels, predicted: Labels) -> Rgb:
    """Colour the errors over a dimmed grey copy of an image.

    Args:
        rgb: uint8 array of shape (H, W, 3).
        truth: uint8 array of shape (H, W).
        predicted: uint8 array of shape (H, W).

    Returns:
        A uint8 array of shape (H, W, 3); pixels of an object that were missed are
        ``MISSED``, background that was taken for an object ``EXTRA``, an object that was
        taken for another one ``SWAPPED``.
    """
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32) * _DIM
    canvas = np.repeat(grey[..., None], 3, axis=2)
    both = (truth > 0) & (predicted > 0)
    for where, colour in (
        (both & (truth == predicted), _RIGHT),
        (both & (truth != predicted), SWAPPED),
        ((truth > 0) & (predicted == 0), MISSED),
        ((truth == 0) & (predicted > 0), EXTRA),
    ):
        strength = _STRENGTH[colour]
        canvas[where] += strength * (np.array(colour, np.float32) - canvas[where])
    return np.rint(canvas).astype(np.uint8)


def _image(files: DavisSequence, frame: str, shape: tuple[int, int]) -> Rgb | None:
    """Read the image of a frame; ``None`` if no image fits."""
    path = next((path for path in files.images if path.stem == frame), None)
    if path is None:
        return None
    try:
        rgb = read_image(path)
    except PersamVideoError:
        return None
    return rgb if rgb.shape[:2] == shape else None


def _as_objects(predicted: Labels, sequence: SequenceScore) -> Labels:
    """Give the proposals of the unsupervised task the labels of their objects."""
    if all(score.proposal is None for score in sequence.objects):
        return predicted
    labels = np.zeros(256, np.uint8)
    for score in sequence.objects:
        labels[score.proposal or 0] = score.object_id
    labels[0] = 0
    return labels[predicted]
