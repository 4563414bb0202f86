"""The folder that the documentation's commands are run in, with the files that they name."""

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from persam_video.masks import write_label_png
from persam_video.synthetic import demo
from persam_video.video import VideoWriter

SIZE = (320, 180)
MIDDLE = 12  # the frame that pages annotate in the middle of a clip
FRAMES = 16


@pytest.fixture(scope="session")
def files(tmp_path_factory) -> Path:
    """Give a folder with a clip, masks, photos and small data sets."""
    folder = tmp_path_factory.mktemp("files")
    clip = replace(demo(), length=FRAMES)
    frames = [
        (
            cv2.resize(rgb, SIZE, interpolation=cv2.INTER_AREA),
            cv2.resize(labels, SIZE, interpolation=cv2.INTER_NEAREST),
        )
        for rgb, labels in clip.frames()
    ]
    with VideoWriter(folder / "clip.mp4", size=SIZE, fps=clip.fps) as writer:
        for number, (rgb, _) in enumerate(frames):
            writer.write(rgb, number / float(clip.fps))
    for name in ("a.mp4", "b.mp4"):
        shutil.copy(folder / "clip.mp4", folder / name)
    masks = {"first": 0, "a": 0, "more": MIDDLE, "photo_mask": 0, "other_mask": MIDDLE}
    masks |= {"cat": 0, "dog": MIDDLE}
    for name, index in masks.items():
        write_label_png(folder / f"{name}.png", frames[index][1])
    photos = {"photo": 0, "other": MIDDLE, "other1": 2, "other2": 4}
    photos |= {"cat": 0, "dog": MIDDLE, "park": 6}
    for name, index in photos.items():
        _picture(folder / f"{name}.jpg", frames[index][0])
    (folder / "jobs.csv").write_text("source,mask,name\na.mp4,a.png,only\n", encoding="utf-8")
    for number, (rgb, labels) in enumerate(frames):
        _picture(folder / "frames" / f"{number:05}.jpg", rgb)
        (folder / "masks").mkdir(exist_ok=True)
        write_label_png(folder / "masks" / f"{number:05}.png", labels)
    for root in (folder / "DAVIS", folder / "data" / "DAVIS-2017"):
        shutil.copytree(folder / "frames", root / "JPEGImages" / "480p" / "pond")
        shutil.copytree(folder / "masks", root / "Annotations" / "480p" / "pond")
        (root / "ImageSets" / "2017").mkdir(parents=True)
        (root / "ImageSets" / "2017" / "val.txt").write_text("pond\n", encoding="utf-8")
    for ours, place in (("frames", "JPEGImages"), ("masks", "Annotations")):
        shutil.copytree(folder / ours, folder / "MOSE" / "train" / place / "pond")
    for number in range(2):
        rgb, labels = frames[number]
        _picture(folder / "PERSEG" / "Images" / "koi" / f"{number:02}.jpg", rgb)
        mask = np.where(labels == 1, 255, 0).astype(np.uint8)
        _picture(folder / "PERSEG" / "Annotations" / "koi" / f"{number:02}.png", mask)
    return folder


@pytest.fixture
def workplace(files, tmp_path) -> Path:
    """Give a copy of these files."""
    folder = tmp_path / "workplace"
    shutil.copytree(files, folder)
    return folder


def _picture(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=95)
