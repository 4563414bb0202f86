"""Folders of indexed PNGs from other programs or benchmarks."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from persam_video.errors import DatasetError
from persam_video.masks.folder import MaskFiles, mask_files
from persam_video.results import FrameResult
from persam_video.util.names import plain_name
from persam_video.video import Frame, FrameStream, SourceKind
from persam_video.video.frame import frame_stem
from persam_video.video.image_decoder import find_images, frame_names
from persam_video.video.source import locate

_LAST_NUMBER = re.compile(r"(\d+)\D*$")


def match_masks(folder: Path, source: str | Path) -> dict[int, Path]:
    """Find the frame that each mask of a folder belongs to.

    If the source is a folder of images, a mask has the name of its image; if it is a video, the
    last number in a mask's name is the index of its frame, from 0.

    Args:
        folder: folder with a PNG for each frame, or for some frames.
        source: the images or the video.

    Returns:
        The masks by frame index, in order.

    Raises:
        DatasetError: a mask has no frame, or two masks have the same one.
        SourceError: the images cannot be listed.
    """
    location = locate(source)
    masks = mask_files(folder)
    if location.kind in (SourceKind.FOLDER, SourceKind.GLOB):
        images = find_images(location)
        names = frame_names(images)
        stems = {
            plain_name(frame_stem(index, None if names is None else names[index])): index
            for index in range(len(images))
        }
        frames = [stems.get(plain_name(mask.stem)) for mask in masks]
        wanted = f"there is no image with this name in {location.name}"
    else:
        numbers = [_LAST_NUMBER.search(mask.stem) for mask in masks]
        frames = [None if number is None else int(number[1]) for number in numbers]
        wanted = "has no number in its name: name it by the index of its frame, such as 00000.png"
    matched: dict[int, Path] = {}
    for mask, frame in zip(masks, frames, strict=True):
        if frame is None:
            raise DatasetError(f"{mask}: {wanted}")
        if frame in matched:
            raise DatasetError(f"{mask}: is of frame {frame}, as {matched[frame].name}; remove one")
        matched[frame] = mask
    return dict(sorted(matched.items()))


def mask_results(
    masks: Mapping[int, Path], frames: FrameStream, start: int = 0
) -> Iterator[tuple[Frame, FrameResult]]:
    """Yield each mask with its frame, as a tracking result.

    ``persam_video.masks.folder.MaskFiles`` explains the pixel values. An object is known from the
    first mask that shows it, and lost where a later one does not. Scores are 1. Before frame
    ``start``, frames are black and not read.

    Raises:
        DatasetError: there is no such frame, or it has another size than the mask.
        AnnotationError: a file cannot be read as a mask, or none of them shows an object.
    """
    files = MaskFiles(list(masks.values()))
    known: set[int] = set()
    size = frames.info.height, frames.info.width
    black = np.zeros((*size, 3), np.uint8)
    for index, path in masks.items():
        if index < start:
            frame: Frame | None = Frame(index, black, float(index / (frames.info.fps or 1)))
        else:
            frame = next((frame for frame in frames if frame.index >= index), None)
        if frame is None or frame.index != index:
            raise DatasetError(
                f"{path}: the source has no frame {index}; give the source of the masks, whose "
                "frames count from 0"
            )
        labels = files.read(path)
        if labels.shape != size:
            (height, width), (tall, wide) = labels.shape, size
            raise DatasetError(
                f"{path}: is {width}x{height}, the frames of the source are {wide}x{tall}; "
                "give the source of the masks"
            )
        known |= set(np.unique(labels).tolist()) - {0}
        yield frame, FrameResult.from_labels(index, frame.time, labels, sorted(known))
