import pytest
from PIL import Image

from persam_video.config import load_settings
from persam_video.sam.build import load_model
from persam_video.studio.model import SharedModel
from persam_video.video import FrameStream, VideoWriter
from tests.studio.conftest import SIZE, draw


@pytest.fixture(scope="session")
def settings():
    return load_settings("persam", {"model.image_size": 256, "model.device": "cpu"})


@pytest.fixture(scope="session")
def shared(settings):
    return SharedModel(settings, load_model(settings))


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    """Give the folder that Label Studio serves, with a picture and a clip of two squares."""
    root = tmp_path_factory.mktemp("root")
    squares = draw(root / "frames")
    clip = VideoWriter(root / "clip.mp4", size=SIZE[::-1], fps=25)
    with clip as writer, FrameStream(squares.frames) as frames:
        for frame in frames:
            writer.write(frame.rgb, frame.index / 25)
    Image.open(squares.frames / "00000.png").save(root / "photo.png")
    return root


@pytest.fixture(scope="session")
def boxes(tmp_path_factory):
    return draw(tmp_path_factory.mktemp("again") / "frames").boxes
