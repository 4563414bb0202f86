import json

import numpy as np
import pytest

from eval import common, evaluator_benchmark


def test_what_is_printed_is_written_down_too(tmp_path, monkeypatch):
    monkeypatch.setattr(common, "SHARED", tmp_path / "nothing")
    monkeypatch.setattr(evaluator_benchmark, "FRAMES", 4)
    evaluator_benchmark.main(None, repeat=1, output=tmp_path / "times.json")
    written = json.loads((tmp_path / "times.json").read_text())
    (timings,) = written["sets"].values()
    assert timings[0]["evaluator"] == "persam-video"
    assert timings[0]["seconds"] > 0
    assert timings[-1]["evaluator"] == "persam-video, all cores"
    assert timings[-1]["ratio"] == pytest.approx(timings[-1]["seconds"] / timings[0]["seconds"])
    assert np.isfinite([timing["difference"] for timing in timings]).all()
