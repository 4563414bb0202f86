from dataclasses import replace

import numpy as np
import pytest

from persam_video.results import FrameResult
from persam_video.sinks import ModelRecord, RunRecord, RunStatus, write_run
from persam_video.sinks.tracks_jsonl import TracksJsonlSink
from persam_video.util.json import to_json
from persam_video.video import Frame, FrameStream, VideoWriter

SIZE = (96, 64)
RNG = np.random.default_rng(5)
GROUND = RNG.integers(60, 90, (64, 96, 3), dtype=np.uint8)
LOOKS = {1: (220, 40, 30), 2: (30, 60, 220)}


def scene(index):
    """Two things that walk to the right side by side, in front of a textured ground."""
    rgb, labels = GROUND.copy(), np.zeros((64, 96), np.uint8)
    for object_id, left in ((1, 8), (2, 24)):
        place = slice(16, 48), slice(left + index, left + 16 + index)
        rgb[place], labels[place] = LOOKS[object_id], object_id
    return rgb, labels


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    """A video of such scenes."""
    path = tmp_path_factory.mktemp("clip") / "walk.mp4"
    with VideoWriter(path, size=SIZE, fps=25) as writer:
        for index in range(24):
            writer.write(scene(index)[0], index / 25)
    return path


@pytest.fixture
def store(clip, tmp_path):
    """Write a run's folder, of label maps that are given or of the true ones."""

    def call(name="run", change=lambda index, labels: labels, source=clip, names=None, cuts=()):
        folder = tmp_path / name
        with FrameStream(clip) as stream, TracksJsonlSink(folder / "tracks.jsonl") as sink:
            for index in range(24):
                rgb, labels = scene(index)
                result = FrameResult.from_labels(
                    index, index / 25, change(index, labels), [1, 2], scores={1: 0.9, 2: 0.8}
                )
                result = replace(result.named(names or {}), cut=index in cuts)
                sink.write(Frame(index, rgb, index / 25), result)
            facts = {**to_json(stream.info), "path": str(source)}
        record = RunRecord(
            ModelRecord("lite", "0" * 64),
            settings={"method": "persam"},
            source={**facts, "start": 0, "stride": 1},
            status=RunStatus.FINISHED,
            frames_done=24,
        )
        write_run(folder / "run.json", record)
        return folder

    return call
