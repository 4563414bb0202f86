from pathlib import Path

import pytest

from persam_video.masks import MaskFile
from persam_video.util.urls import local_path, scheme_of, url_of


@pytest.mark.parametrize(
    "text",
    [
        "s3://bucket/a/m.png",
        "S3://bucket/a/m.png",
        "https://host.org/w.pth",
        "file:///a/m.png",
        "hdfs:///a/m.png",
        "a/m.png",
        "/m.png",
        "C:/m.png",
    ],
)
def test_a_path_gives_back_the_url_it_was_made_from(text):
    assert url_of(Path(text)) == text
    assert url_of(MaskFile.of(text).path) == text


@pytest.mark.parametrize(
    ("text", "scheme"),
    [
        ("S3://bucket/a", "s3"),
        ("C:/a.mp4", None),
        ("C://a.mp4", None),
        ("a", None),
        ("s3:/a", None),
    ],
)
def test_the_scheme_of_a_url(text, scheme):
    assert scheme_of(text) == scheme


def test_the_path_of_a_file_url():
    assert local_path("file:///a%20b/m.png") == "/a b/m.png"
    assert local_path("FILE:///m.png") == "/m.png"
    assert local_path("s3://bucket/a%20b") == "s3://bucket/a%20b"
