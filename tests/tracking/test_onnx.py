"""The ONNX files beside the model they come from, and the example that tracks with them."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from persam_video.cli.main import app
from persam_video.config import Settings
from persam_video.config.settings import CutSettings, MaskSettings, ZoomSettings
from persam_video.errors import ModelError
from persam_video.masks import read_annotation
from persam_video.masks.png import write_label_png
from persam_video.persam.matching import others
from persam_video.results import ObjectState
from persam_video.sam.build import load_sam
from persam_video.sam.inference import inference
from persam_video.tracking import Tracker
from persam_video.tracking.onnx_export import export_onnx
from persam_video.tracking.segmenter import Segmenter
from persam_video.util.timing import StageClock
from persam_video.video.image_decoder import read_image

EXAMPLE = Path(__file__).parents[2] / "docs" / "track_with_onnx.py"
SIZE = 320
REAL_FRAMES = 18  # by then there are as many memories as there ever are, and one was dropped
CLOSE = 1e-3
WHOLE = ZoomSettings(limit=1)
"""The files show the model the whole frame."""


@pytest.fixture(scope="module")
def model():
    return load_sam(device="cpu", precision="fp32", image_size=SIZE)


@pytest.fixture(scope="module")
def onnx(tmp_path_factory):
    """The files that the command writes; making them takes most of a minute of one core."""
    pytest.importorskip("onnxscript", reason="persam-video[onnx] is not installed")
    folder = tmp_path_factory.mktemp("export") / "onnx"
    arguments = ["models", "export-onnx", "lite", "--out", str(folder), "--image-size", str(SIZE)]
    ran = CliRunner().invoke(app, arguments)
    assert ran.exit_code == 0, ran.output
    names = [
        *("encoder.onnx", "find.onnx", "learn.onnx", "memory.onnx", "model.json", "track.onnx"),
    ]
    assert ran.stdout.split() == [str(folder / name) for name in names]
    assert sorted(path.name for path in folder.iterdir()) == names
    return folder


@pytest.fixture(scope="module")
def run(onnx):
    runtime = pytest.importorskip("onnxruntime", reason="persam-video[onnx] is not installed")
    graphs = {path.stem: runtime.InferenceSession(path) for path in onnx.glob("*.onnx")}

    def call(name, given):
        inputs = {one.name: np.asarray(given[one.name]) for one in graphs[name].get_inputs()}
        outputs = [one.name for one in graphs[name].get_outputs()]
        return dict(zip(outputs, graphs[name].run(outputs, inputs), strict=True))

    return call


class Beside:
    """Tracks with the model, compares the files with each step, keeps the largest differences."""

    def __init__(self, model, run):
        self.model, self.run = model, run
        settings = Settings(zoom=WHOLE)
        self.tracker = Tracker(model, settings)
        self.segmenter = Segmenter(model, settings, StageClock())
        self.largest = {}

    @inference()
    def learn(self, rgb, annotation):
        """Compare what is learned of an annotated frame."""
        labels = self.tracker.step(rgb, annotation).labels
        code, _ = self._encode(rgb)
        known = self.tracker.state().objects
        for number, o in enumerate(known):
            learned = self._remembered("learn", code, labels, known, number)
            self.note("target", learned["target"], o.target[None])

    @inference()
    def step(self, rgb):
        """Compare a step: of each object as if it were tracked, and as if it were lost."""
        code, embedding = self._encode(rgb)
        before = self.tracker.state().objects
        rest = others(torch.stack([o.mask for o in before]))
        found = []
        for number, o in enumerate(before):
            memories = (o.annotated, *o.past)
            given = code | {
                "target": o.target[None],
                "coverage": o.annotated.coverage[None],
                "memory_keys": torch.cat([one.keys for one in memories]),
                "memory_values": torch.stack([one.values for one in memories]),
                "recent_keys": o.recent.keys,
                "recent_values": o.recent.values[None],
                "recent_coverage": o.recent.coverage[None],
                "recent_soft": o.mask[None],
                "recent_box": self._box(code, o),
                "others": rest[number][None],
            }
            as_tracked = [replace(one, state=ObjectState.TRACKED) for one in before]
            found.append(self._segmented("track", embedding, as_tracked, number, given))
            as_lost = [replace(one, state=ObjectState.LOST) for one in before]
            self._segmented("find", embedding, as_lost, number, given)
        labels = self.tracker.step(rgb).labels
        after = self.tracker.state().objects
        if all(o.tracked for o in (*before, *after)):
            for number in range(len(after)):
                given = code | found[number]
                self._remembered("memory", given, labels, after, number)

    def _encode(self, rgb):
        embedding = self.model.encode(rgb)
        transform = embedding.transform
        image = Image.fromarray(rgb).resize(transform.input_size[::-1], Image.Resampling.BILINEAR)
        code = self.run("encoder", {"image": image})
        for name, expected in zip(
            ("features", "keys", "half", "quarter"),
            (embedding.features, embedding.keys, *embedding.skips),
            strict=True,
        ):
            self.note("encoder", code[name], expected)
        sizes = {"frame_size": transform.frame_size, "input_size": transform.input_size}
        return code | sizes, embedding

    def _segmented(self, graph, embedding, known, number, given):
        found = self.run(graph, given)
        expected = self.segmenter.segment(embedding, known, self.tracker.state().steps)[number]
        full = embedding.transform.restore(expected.logits[None, None])[0, 0]
        self.note("logits", found["logits"], full)
        self.note("predicted", found["predicted"][0], expected.logits.sigmoid())
        self.note("score", found["score"], [expected.score])
        self.note("likeness", found["likeness"], [expected.likeness])
        return found

    def _remembered(self, graph, given, labels, known, number):
        o, rest = known[number], others(torch.stack([o.mask for o in known]))
        found = self.run(
            graph, given | {"mask": labels == o.object_id, "others": rest[number][None]}
        )
        self.note("memory", found["values"][0], o.recent.values)
        self.note("memory", found["coverage"][0], o.recent.coverage)
        self.note("memory", found["soft"][0], o.mask)
        self.note("box", found["box"], self._box(given, o))
        return found

    @staticmethod
    def _box(code, o):
        scale = np.divide(code["input_size"], code["frame_size"])[::-1]
        return np.float32([o.box * np.tile(scale, 2)])

    def note(self, what, found, expected):
        expected = np.asarray(expected)
        assert found.shape == expected.shape, what
        difference = float(np.abs(found - expected).max())
        self.largest[what] = max(self.largest.get(what, 0.0), difference)


def compare_clip(model, run, frames, annotation):
    """Track a clip with the model, and compare every step of it."""
    beside = Beside(model, run)
    beside.learn(frames[0], annotation)
    for rgb in frames[1:]:
        beside.step(rgb)
    assert len(beside.largest) == 8, beside.largest
    return beside.largest


def test_every_step_of_a_drawn_clip_is_the_models(model, run, demo_frames):
    frames = [frame.rgb for frame, _ in demo_frames]
    largest = compare_clip(model, run, frames, demo_frames[0][1])
    assert max(largest.values()) < CLOSE, largest


def test_every_step_of_a_real_clip_is_the_models(model, run, shared_data):
    folder = shared_data / "davis"
    paths = sorted((folder / "JPEGImages/480p/dog").glob("*.jpg"))[:REAL_FRAMES]
    annotation = read_annotation(folder / "Annotations/480p/dog/00000.png")
    largest = compare_clip(model, run, [read_image(path) for path in paths], annotation)
    assert max(largest.values()) < CLOSE, largest


def test_frames_of_another_shape_need_no_other_files(model, run, demo_frames):
    upright = [np.ascontiguousarray(np.rot90(frame.rgb)) for frame, _ in demo_frames[:3]]
    labels = np.ascontiguousarray(np.rot90(demo_frames[0][1]))
    largest = compare_clip(model, run, upright, labels)
    assert max(largest.values()) < CLOSE, largest


def test_the_example_tracks_without_torch_as_the_tracker_does(model, onnx, demo_frames, tmp_path):
    (tmp_path / "frames").mkdir()
    for number, (frame, _) in enumerate(demo_frames):
        Image.fromarray(frame.rgb).save(tmp_path / f"frames/{number:05d}.png")
    first = (demo_frames[0][1] == 1).astype(np.uint8)
    write_label_png(tmp_path / "first.png", first)
    arguments = [onnx, tmp_path / "frames", tmp_path / "first.png", tmp_path / "out"]
    program = (
        "import runpy, sys\n"
        "sys.modules['torch'] = None  # to import it is an error\n"
        "del sys.argv[0]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(EXAMPLE), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    # the example leaves out the tracker's cleaning of masks, its scene cuts and its zoom
    settings = Settings(
        masks=MaskSettings(min_component=0, reach=None),
        cuts=CutSettings(detect=False),
        zoom=WHOLE,
    )
    tracker = Tracker(model, settings)
    for number, (frame, _) in enumerate(demo_frames):
        expected = tracker.step(frame, first if number == 0 else None).labels == 1
        found = np.asarray(Image.open(tmp_path / f"out/{number:05d}.png")) > 0
        # of all pixels, those whose logit is within 1e-3 of 0 may differ
        assert (expected != found).mean() < 1e-4, number


def test_the_example_is_short():
    assert len(EXAMPLE.read_text().splitlines()) <= 60


def test_the_numbers_are_the_trackers(onnx):
    numbers = json.loads((onnx / "model.json").read_text())
    assert numbers["image_size"] == SIZE
    assert numbers["lost"] == Settings().lost.model_dump()
    assert "research" in numbers["licence"]


def test_another_model_is_refused_in_one_line(model, tmp_path):
    pytest.importorskip("onnxscript", reason="persam-video[onnx] is not installed")
    half = load_sam(device="cpu", precision="bf16", image_size=SIZE)
    with pytest.raises(ModelError, match=r"^ONNX files are written from a model in fp32"):
        export_onnx(half, tmp_path / "onnx")
    assert not (tmp_path / "onnx").exists()
