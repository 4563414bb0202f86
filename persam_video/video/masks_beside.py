"""Detecting masks among the frames in a folder, as labelling programs leave them.

A name alone proves nothing: a photo may be called "cat_mask.jpg" and exist as JPEG and as PNG. A
file counts as a mask only if its name or type sets it apart from a frame, and its pixels, too.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from persam_video.errors import SourceError
from persam_video.util.image_file import open_image
from persam_video.video.source import Location, SourceKind

_WORDS = "alpha|annotations?|gt|labels?|labelids|masks?|matte|seg|segmentation"
_NAMED = re.compile(rf"(?:{_WORDS})[-_. ]+(?P<after>.+)|(?P<before>.+?)[-_. ]+(?:{_WORDS})")
"""A name that says so itself, and the rest, which may be the name of the frame."""

_LOOKS = 6
"""Candidates whose pixels are looked at, spread over all."""

_SIDE = 256
"""Pixels along the longer side of what is looked at."""

_MOST_COLOURS = 24
"""A mask has no more, blurred edges left out."""

_COVERED = 0.97
"""Share of a picture that its commonest colours must make up."""

_GREY = 8
"""The most by which the channels of a grey picture differ, JPEG's errors included."""


def refuse_masks_beside(location: Location, images: Sequence[Path]) -> None:
    """Check that a folder of frames does not hold masks, too.

    Raises:
        SourceError: it does. A glob, which selects files explicitly, is always accepted.
    """
    if location.kind is SourceKind.FOLDER and (message := masks_beside(location, images)):
        raise SourceError(message)


def masks_beside(location: Location, images: Sequence[Path]) -> str | None:
    """Return one line about masks among images and what to do, or ``None`` if there are none.

    Only a few of the files that stand out by name or type are opened. A file that cannot be
    read proves nothing.

    Args:
        location: the folder or glob.
        images: the images found there.
    """
    for candidates in (list(_named_like_frames(images)), list(_among_jpegs(images))):
        looked_at = candidates[:: max(1, -(-len(candidates) // _LOOKS))]
        if 2 * sum(_is_mask(mask, frame) for mask, frame in looked_at) > len(looked_at):
            mask, frame = candidates[0]
            advice = "move the masks to another folder"
            if mask.suffix.lower() != frame.suffix.lower():
                advice += f", or name only the frames: '{frame.with_name('*' + frame.suffix)}'"
            return (
                f"{location.name}: holds masks beside the frames ({mask.name} beside "
                f"{frame.name}), which would be read as frames; {advice}"
            )
    return None


def _named_like_frames(images: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """Yield possible masks and their frames by name: "7.png", "7_mask.png" for "7.jpg"."""
    by_stem: dict[Path, list[Path]] = defaultdict(list)
    for image in images:
        by_stem[image.with_name(image.stem.casefold())].append(image)
    for stem, files in by_stem.items():
        if len(files) > 1:
            # JPEG changes labels, so the frame has it; if none has, masks are the smaller files
            frame, mask, *_ = sorted(files, key=lambda file: (not _is_jpeg(file), -_bytes(file)))
            yield mask, frame
        elif named := _NAMED.fullmatch(stem.name):
            frames = by_stem.get(stem.with_name(named["after"] or named["before"]), [])
            yield from ((files[0], frame) for frame in frames[:1])


def _among_jpegs(images: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """Yield the images of other types beside JPEGs, whatever their names."""
    frame = next(filter(_is_jpeg, images), None)
    if frame is not None:
        yield from ((image, frame) for image in images if not _is_jpeg(image))


def _is_jpeg(path: Path) -> bool:
    return path.suffix.lower() in (".jpg", ".jpeg")


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _is_mask(mask: Path, frame: Path) -> bool:
    """Return whether one image has few colours, or none at all, and the other more of them."""
    try:
        with open_image(mask, SourceError) as image, open_image(frame, SourceError) as other:
            if sorted(image.size) != sorted(other.size):
                return False  # sorted, for a photo may lie on its side
            pixels, others = _reduced(image), _reduced(other)
    except SourceError:
        return False
    colours = _colours(pixels)
    return (colours <= _MOST_COLOURS and colours < _colours(others)) or (
        _is_grey(pixels) and not _is_grey(others)
    )


def _reduced(image: Image.Image) -> NDArray[np.uint8]:
    """Return (N, 3) pixels of an image, taken and not blended."""
    scale = min(1.0, _SIDE / max(image.size))
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    small = image.resize(size, Image.Resampling.NEAREST).convert("RGB")
    return np.asarray(small).reshape(-1, 3)


def _colours(pixels: NDArray[np.uint8]) -> int:
    """Return how many colours, of 16 levels a channel, make up nearly all of an image."""
    codes = pixels.astype(np.int64) // 16 @ (256, 16, 1)
    counts = np.sort(np.bincount(codes))[::-1]
    return int(np.searchsorted(np.cumsum(counts), _COVERED * len(pixels))) + 1


def _is_grey(pixels: NDArray[np.uint8]) -> bool:
    return bool(np.ptp(pixels.astype(np.int16), axis=1).max() <= _GREY)
