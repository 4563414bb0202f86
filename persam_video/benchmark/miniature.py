"""Miniature data sets with exact truth, to try a whole benchmark in a minute without a download."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from persam_video.masks.png import write_label_png
from persam_video.synthetic import SyntheticClip, crossing, demo
from persam_video.util.atomic import staged

_CLIPS = {"crossing": crossing, "pond": demo}
_WIDTH, _HEIGHT = 320, 180
_FRAMES = 4
_EVERY = 6  # frames of the clip between two that are taken


def miniature_davis(folder: Path) -> Path:
    """Write two short sequences in the layout of DAVIS 2017 val, unless they are there already.

    Raises:
        OutputError: the folder cannot be written.
    """
    if not folder.is_dir():
        with staged(folder) as root:
            for name, clip in _CLIPS.items():
                images = _made(root / "JPEGImages/480p" / name)
                annotations = _made(root / "Annotations/480p" / name)
                for index, (rgb, labels) in enumerate(_frames(clip())):
                    Image.fromarray(rgb).save(images / f"{index:05d}.jpg", quality=95)
                    write_label_png(annotations / f"{index:05d}.png", labels)
            lists = _made(root / "ImageSets/2017")
            (lists / "val.txt").write_text("".join(f"{name}\n" for name in _CLIPS))
    return folder


def miniature_perseg(folder: Path) -> Path:
    """Write two objects in the layout of PerSeg, unless they are there already.

    Raises:
        OutputError: the folder cannot be written.
    """
    if not folder.is_dir():
        with staged(folder) as root:
            for name, clip in _CLIPS.items():
                images, annotations = (
                    _made(root / kind / name) for kind in ("Images", "Annotations")
                )
                chosen = clip().object_ids[0]
                shown = [(rgb, labels == chosen) for rgb, labels in _frames(clip())]
                for index, (rgb, mask) in enumerate(pair for pair in shown if pair[1].any()):
                    Image.fromarray(rgb).save(images / f"{index:02d}.jpg", quality=95)
                    # as published: the object is 128 in red
                    red = np.zeros((*mask.shape, 3), np.uint8)
                    red[mask, 0] = 128
                    Image.fromarray(red).save(annotations / f"{index:02d}.png")
    return folder


def _frames(clip: SyntheticClip) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    small = replace(clip, width=_WIDTH, height=_HEIGHT, length=_EVERY * (_FRAMES - 1) + 1)
    for index, frame in enumerate(small.frames()):
        if index % _EVERY == 0:
            yield frame


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
