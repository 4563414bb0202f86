from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from persam_video.errors import SourceError
from persam_video.video.source import SourceKind, locate


@pytest.mark.parametrize(
    ("source", "kind", "name"),
    [
        (0, SourceKind.CAMERA, "camera 0"),
        ("3", SourceKind.CAMERA, "camera 3"),
        ("https://a.org/b/c.mp4", SourceKind.URL, "https://a.org/b/c.mp4"),
        ("RTSP://a.org:554/live", SourceKind.URL, "rtsp://a.org:554/live"),
        ("http://me:secret@a.org/c.mp4?token=secret", SourceKind.URL, "http://a.org/c.mp4"),
        ("frames/*.png", SourceKind.GLOB, "frames/*.png"),
    ],
)
def test_tells_sources_apart(source: str | int, kind: SourceKind, name: str) -> None:
    location = locate(source)
    assert (location.kind, location.name, location.path) == (kind, name, None)


def test_existing_paths_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("7").mkdir()
    Path("clip[1].mp4").touch()
    Path("x.mp4").mkdir()
    assert locate("7").kind is SourceKind.FOLDER
    assert locate("x.mp4").kind is SourceKind.FOLDER
    assert locate("clip[1].mp4").kind is SourceKind.FILE
    assert locate(Path("clip[1].mp4")).path == Path("clip[1].mp4")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "source is empty"),
        (-1, "camera -1"),
        (Path("7"), "7: no such file or folder"),
        ("missing.mp4", "missing.mp4: no such file or folder"),
        ("ftp://a.org/c.mp4", "ftp:// is not supported"),
        ("file:///c.mp4", "file:// is not supported"),
        ("http://[broken/c.mp4", "cannot be read"),
        ("a" * 5000, "cannot be opened|no such file"),
    ],
)
def test_refuses_other_sources(source: str | int | Path, message: str) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        locate(source)
    assert "\n" not in str(caught.value)


def test_a_whole_number_of_numpy_is_a_camera() -> None:
    assert locate(np.int64(2)).name == "camera 2"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ([np.zeros((40, 60, 3), np.uint8)] * 30, "of type list"),
        (("a.jpg", "b.jpg"), "of type tuple"),
        ({0: "a.jpg"}, "of type dict"),
        (np.zeros((30, 40, 60, 3), np.uint8), r"uint8 of shape \(30, 40, 60, 3\)"),
        (torch.zeros(3, 40, 60), r"float32 of shape \(3, 40, 60\)"),
        (Image.new("RGB", (60, 40)), "of type Image"),
        (iter("ab"), "of type str_ascii_iterator|of type str_iterator"),
        (b"clip.mp4", "of type bytes"),
        (1.0, "of type float"),
        (True, "of type bool"),
        (None, "of type NoneType"),
    ],
)
def test_other_types_are_named_and_not_printed(source: Any, what: str) -> None:
    with pytest.raises(SourceError, match=f"^the source is ({what}); give the path") as caught:
        locate(source)
    assert len(str(caught.value)) < 250
    assert "\n" not in str(caught.value)
