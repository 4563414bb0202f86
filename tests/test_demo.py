import json

import pytest

from persam_video.config import load_settings
from persam_video.demo import run_demo


def test_an_interrupted_demonstration_is_not_scored(tmp_path):
    def stop(progress):
        raise KeyboardInterrupt

    settings = load_settings("persam", {"model.image_size": 256, "model.device": "cpu"})
    with pytest.raises(KeyboardInterrupt):
        run_demo(tmp_path, settings=settings, on_progress=stop)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "interrupted"
