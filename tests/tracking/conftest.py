from itertools import islice

import pytest

from persam_video.sam import load_sam
from persam_video.synthetic import come_and_go, demo
from persam_video.video import Frame


@pytest.fixture(scope="session")
def model():
    return load_sam("lite", image_size=384, device="cpu")


def _frames(clip, count):
    return [
        (Frame(i, rgb, i / 25), labels)
        for i, (rgb, labels) in enumerate(islice(clip.frames(), count))
    ]


@pytest.fixture(scope="session")
def demo_frames():
    return _frames(demo(), 12)


@pytest.fixture(scope="session")
def come_and_go_frames():
    return _frames(come_and_go(), 90)
