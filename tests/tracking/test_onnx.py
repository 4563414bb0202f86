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
from persam_video.errors import ModelError
from persam_video.masks import read_annotation
from persam_video.masks.png import write_label_png
from persam_video.persam.learning import others, remember
from persam_video.persam.matching import cell_coverage
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
CLOSE = 1e-3


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
    names = ["encoder.onnx", "find.onnx", "memory.onnx", "model.json", "track.onnx"]
    assert ran.stdout.split() == [str(folder / name) for name in names]
    assert sorted(path.name for path in folder.iterdir()) == names
    return folder


@pytest.fixture(scope="module")
def run(onnx):
    runtime = pytest.importorskip("onnxruntime", reason="persam-video[onnx] is not installed")
    graphs = {path.stem: runtime.InferenceSession(path) for path in onnx.glob("*.onnx")}

    def call(name, **inputs):
        given = {key: np.asarray(value, np.float32) for key, value in inputs.items()}
        outputs = [one.name for one in graphs[name].get_outputs()]
        return dict(zip(outputs, graphs[name].run(None, given), strict=True))

    return call


class Beside:
    """Compares the files with the model on one frame, and keeps the largest differences."""

    def __init__(self, model, run):
        self.model, self.run = model, run
        self.segmenter = Segmenter(model, Settings(), StageClock())
        self.largest = dict.fromkeys(
            ("encoder", "memory", "logits", "probability", "score", "likeness"), 0.0
        )

    @inference()
    def compare(self, rgb, known):
        embedding = self.model.encode(rgb)
        transform = embedding.transform
        code = self.run("encoder", image=transform.image(rgb, self.model.device))
        for name, expected in zip(
            ("features", "keys", "half", "quarter"),
            (embedding.features, embedding.keys, *embedding.skips),
            strict=True,
        ):
            self.note("encoder", code[name], expected)
        masks = torch.stack([o.mask for o in known])
        rest = others(masks)
        height, width = transform.frame_size
        scale = np.divide(transform.input_size[::-1], (width, height))
        place = {
            "size": transform.input_size[::-1],
            "corner": ([width, height] - np.ones(2)) * scale,
        }
        for number, o in enumerate(known):
            self._remembered(embedding, code, masks, rest, number)
            memories = (o.annotated, *o.past)
            given = {
                **code,
                **place,
                "target": o.target[None],
                "memory_keys": torch.cat([one.keys.flatten(2) for one in memories], dim=2),
                "memory_values": torch.cat([one.values.flatten(1) for one in memories], 1)[None],
                "coverage": o.annotated.coverage[None],
                "recent_keys": o.recent.keys,
                "recent_values": o.recent.values[None],
                "recent_coverage": o.recent.coverage[None],
            }
            last = {
                "mask": o.mask[None],
                "others": rest[number][None],
                "box": np.array([o.box]) * np.tile(scale, 2),
            }
            self._segmented(embedding, known, number, self.run("track", **given, **last))
            lost = [replace(one, state=ObjectState.LOST) for one in known]
            self._segmented(embedding, lost, number, self.run("find", **given))

    def _remembered(self, embedding, code, masks, rest, number):
        coverage = cell_coverage(masks, embedding.grid)
        expected = remember(self.model, embedding, masks, coverage)[number]
        found = self.run(
            "memory", features=code["features"], mask=masks[number][None], others=rest[number][None]
        )
        self.note("memory", found["values"][0], expected.values)
        self.note("memory", found["coverage"][0], expected.coverage)

    def _segmented(self, embedding, known, number, found):
        expected = self.segmenter.segment(embedding, known)[number]
        self.note("logits", found["logits"][0], expected.logits)
        self.note("probability", 1 / (1 + np.exp(-found["logits"][0])), expected.logits.sigmoid())
        self.note("score", found["score"], torch.tensor([expected.score]))
        self.note("likeness", found["likeness"], torch.tensor([expected.likeness]))

    def note(self, what, found, expected):
        assert found.shape == tuple(expected.shape), what
        difference = float(np.abs(found - expected.numpy()).max())
        self.largest[what] = max(self.largest[what], difference)


def compare_clip(model, run, frames, annotation):
    """Track a clip with the model, and compare every step of it."""
    beside, tracker = Beside(model, run), Tracker(model, Settings())
    tracker.step(frames[0], annotation)
    for rgb in frames[1:]:
        known = [o for o in tracker.state().objects if o.tracked]
        if known:
            beside.compare(rgb, known)
        tracker.step(rgb)
    return beside.largest


def test_every_step_of_a_drawn_clip_is_the_models(model, run, demo_frames):
    frames = [frame.rgb for frame, _ in demo_frames]
    largest = compare_clip(model, run, frames, demo_frames[0][1])
    assert max(largest.values()) < CLOSE, largest


def test_every_step_of_a_real_clip_is_the_models(model, run, shared_data):
    folder = shared_data / "davis"
    paths = sorted((folder / "JPEGImages/480p/dog").glob("*.jpg"))
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
    tracker = Tracker(model, Settings())
    for number, (frame, _) in enumerate(demo_frames):
        expected = tracker.step(frame, first if number == 0 else None).labels == 1
        found = np.asarray(Image.open(tmp_path / f"out/{number:05d}.png")) > 0
        likeness = (expected & found).sum() / (expected | found).sum()
        assert likeness > 0.95, number


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
