import json
import math
import random
from copy import deepcopy
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save

from persam_video.config import Settings, load_settings
from persam_video.errors import OutputError
from persam_video.persam.matching import Memory
from persam_video.sam import load_sam
from persam_video.sam.model import SamModel
from persam_video.tracking import Tracker
from persam_video.tracking.objects import TrackedObject, TrackerState
from persam_video.tracking.snapshot import Snapshot, read_snapshot, write_snapshot


def parts(value):
    """Give the tensors and plain values that an object's field is made of."""
    if isinstance(value, tuple) and value and isinstance(value[0], Memory):
        return [part for memory in value for part in parts(memory)]
    if isinstance(value, Memory):
        return [value.keys, value.coverage, value.extent, value.values, value.step]
    return [value]


@pytest.mark.parametrize("preset", ["persam", "persam_f"])
def test_a_restored_tracker_goes_on_exactly_as_the_first(model, demo_frames, tmp_path, preset):
    overrides = {"prior.motion": 0.5} | ({"weights.steps": 5} if preset == "persam_f" else {})
    settings = load_settings(preset, overrides)
    first, second = Tracker(model, settings), Tracker(model, settings)
    first.step(*demo_frames[0])
    for frame, _ in demo_frames[1:4]:
        first.step(frame)
    write_snapshot(tmp_path / "state", Snapshot(4, 3, first.state()))
    like = model.encode(demo_frames[0][0].rgb)
    fitted = preset == "persam_f"
    snapshot = read_snapshot(tmp_path / "state", like, fitted=fitted, values=model.value_layout)
    assert (snapshot.frames, snapshot.last) == (4, 3)
    second.restore(snapshot.state)
    for frame, _ in demo_frames[4:7]:
        ours, theirs = first.step(frame), second.step(frame)
        assert np.array_equal(ours.labels, theirs.labels)
        assert ours.objects == theirs.objects  # scores bit for bit


@pytest.mark.parametrize("size", [(1, 500), (2000, 20), (480, 854)], ids=str)
def test_runs_of_thin_frames_go_on(model, tmp_path, size):
    rng = np.random.default_rng(0)
    rgb, labels = rng.integers(0, 256, (*size, 3), np.uint8), np.zeros(size, np.uint8)
    labels[: size[0] // 2 + 1, : size[1] // 2] = 1
    tracker = Tracker(model, load_settings())
    tracker.step(rgb, labels)
    tracker.step(rgb)
    write_snapshot(tmp_path / "state", Snapshot(2, 1, tracker.state()))
    like = model.encode(rgb)
    after = read_snapshot(tmp_path / "state", like, fitted=False, values=model.value_layout).state
    assert [o.recent.extent for o in after.objects] == [
        o.recent.extent for o in tracker.state().objects
    ]


def test_every_field_of_an_object_survives(model, demo_frames, tmp_path):
    tracker = Tracker(model, load_settings("persam_f", {"weights.steps": 2}))
    tracker.step(*demo_frames[0])
    tracker.step(demo_frames[1][0])
    before = tracker.state()
    write_snapshot(tmp_path / "state", Snapshot(2, 1, before))
    like = model.encode(demo_frames[0][0].rgb)
    after = read_snapshot(tmp_path / "state", like, fitted=True, values=model.value_layout).state
    assert (after.frame_size, after.steps) == (before.frame_size, before.steps)
    for old, new in zip(before.objects, after.objects, strict=True):
        for field in fields(TrackedObject):
            for a, b in zip(
                parts(getattr(old, field.name)), parts(getattr(new, field.name)), strict=True
            ):
                if isinstance(a, torch.Tensor):
                    assert torch.equal(a, b), field.name
                    assert (a.stride(), a.dtype) == (b.stride(), b.dtype)
                else:
                    assert np.array_equal(a, b), field.name
    # what objects share they share again
    assert len({id(o.recent.keys) for o in after.objects}) == 1


def test_a_state_does_not_change_with_later_steps(model, demo_frames):
    tracker = Tracker(model)
    tracker.step(*demo_frames[0])
    state = tracker.state()
    boxes = [o.box for o in state.objects]
    tracker.step(demo_frames[5][0])
    assert [o.box for o in state.objects] == boxes
    assert [o.box for o in tracker.state().objects] != boxes


@dataclass(frozen=True)
class Stored:
    """A snapshot of two objects after two frames of 96x64, taken apart.

    Attributes:
        model: that tracked them.
        settings: by which.
        frame: the one that comes next.
        header: all that is not a tensor.
        tensors: by name.
    """

    model: SamModel
    settings: Settings
    frame: np.ndarray
    header: dict
    tensors: dict

    @cached_property
    def like(self):
        return self.model.encode(self.frame)

    @property
    def values(self):
        return self.model.value_layout

    def read(self, path, header, tensors):
        """Write a file of these parts, and read it."""
        path.write_bytes(save(tensors, metadata={"persam-video": json.dumps(header)}))
        return self.read_file(path)

    def read_file(self, path):
        fitted = self.settings.method == "persam-f"
        return read_snapshot(path, self.like, fitted=fitted, values=self.values)

    def step(self, snapshot):
        """Go on from a snapshot with the next frame."""
        tracker = Tracker(self.model, self.settings)
        tracker.restore(snapshot.state)
        return tracker.step(self.frame)


def two_squares(seed, size, corners):
    """Give a picture of squares of 20 pixels at corners (x, y), on noise, and its label map."""
    rng = np.random.default_rng(seed)
    rgb = rng.integers(60, 90, (*size, 3)).astype(np.uint8)
    labels = np.zeros(size, np.uint8)
    for object_id, (x, y) in enumerate(corners, start=1):
        rgb[y : y + 20, x : x + 20] = rng.integers(0, 255, 3)
        labels[y : y + 20, x : x + 20] = object_id
    return rgb, labels


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    model = load_sam("lite", image_size=128, device="cpu")
    settings = load_settings("persam_f", {"weights.steps": 2})
    rgb, labels = two_squares(3, (64, 96), ((10, 20), (60, 20)))
    tracker = Tracker(model, settings)
    tracker.step(rgb, labels)
    assert all(seen.area for seen in tracker.step(rgb).objects)
    path = tmp_path_factory.mktemp("stored") / "state"
    write_snapshot(path, Snapshot(2, 1, tracker.state()))
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["persam-video"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return Stored(model, settings, rgb, header, tensors)


@pytest.mark.parametrize("content", [b"", b"no tensors", b"\x02\0\0\0\0\0\0\0{}"])
def test_what_is_no_snapshot_is_refused_in_one_line(stored, tmp_path, content):
    path = tmp_path / "state"
    path.write_bytes(content)
    with pytest.raises(OutputError, match="not a snapshot") as refused:
        stored.read_file(path)
    assert "\n" not in str(refused.value)


def test_a_snapshot_of_another_method_model_or_size_is_refused(stored, tmp_path):
    path = tmp_path / "state"
    stored.read(path, stored.header, stored.tensors)
    with pytest.raises(OutputError, match="another method"):
        read_snapshot(path, stored.like, fitted=False, values=stored.values)
    turned = stored.model.encode(np.zeros((96, 64, 3), np.uint8))
    with pytest.raises(OutputError, match=r"frames are \(64, 96\) instead of \(96, 64\)"):
        read_snapshot(path, turned, fitted=True, values=stored.values)
    with pytest.raises(OutputError, match="another model"):
        read_snapshot(path, stored.like, fitted=True, values=lambda _: None)
    larger = load_sam("lite", image_size=256, device="cpu").encode(stored.frame)
    with pytest.raises(OutputError, match="instead of"):
        read_snapshot(path, larger, fitted=True, values=stored.values)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("object_id", 255, "less than or equal to 254"),
        ("object_id", 2, r"objects are \[2, 2\]"),
        ("box", [0, 0, 97, 64], "not in the frame"),
        ("box", [5, 5, 5, 9], "not in the frame"),
        ("velocity", [1e300, 0.0], "out of the frame"),
        ("velocity", [math.nan, 0.0], "finite"),
        ("likeness", math.inf, "finite"),
        ("weights", None, "another method"),
        ("streak", -1, "greater than or equal to 0"),
        ("state", "gone", "tracked"),
        ("target", {"name": "none", "stride": [1]}, "none"),
        ("target", {"name": "0", "stride": [2]}, "strides"),
        ("target", {"name": "0", "stride": [2**70]}, "strides"),
        ("target", {"name": "0", "stride": [0]}, "strides"),
        ("target", {"name": "0", "stride": [1, 1]}, "strides"),
    ],
)
def test_a_state_that_no_tracker_can_be_in_is_refused(stored, tmp_path, field, value, said):
    header = deepcopy(stored.header)
    assert header["objects"][0]["target"]["name"] == "0"
    header["objects"][0][field] = value
    with pytest.raises(OutputError, match=said) as refused:
        stored.read(tmp_path / "state", header, stored.tensors)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("part", ["mask", "weights", "target", "coverage", "keys"])
@pytest.mark.parametrize(
    "change",
    [
        lambda tensor: tensor.double(),
        lambda tensor: tensor.to(torch.int32),
        lambda tensor: tensor[..., :-1].contiguous(),
        lambda tensor: tensor[None].contiguous(),
        lambda tensor: tensor.reshape(-1)[:0],
    ],
    ids=["float64", "int32", "shorter", "more dimensions", "empty"],
)
def test_tensors_of_another_form_are_refused(stored, tmp_path, part, change):
    tracked = stored.header["objects"][0]
    name = (tracked["recent"][part] if part in ("coverage", "keys") else tracked[part])["name"]
    tensors = stored.tensors | {name: change(stored.tensors[name])}
    with pytest.raises(OutputError, match=rf"tensor {name} is .* instead of"):
        stored.read(tmp_path / "state", stored.header, tensors)


@pytest.mark.parametrize(
    ("view", "said"),
    [
        ({"box": [0, 0, 97, 64], "input_size": [85, 128]}, "not in the frame"),
        ({"box": [0, 0, 96, 64], "input_size": [85, 2**20]}, "instead of 1024 at most"),
        ({"box": [0, 0, 96, 64], "input_size": [0, 128]}, "greater than or equal to 1"),
    ],
)
def test_a_view_that_is_none_of_the_frame_is_refused(stored, tmp_path, view, said):
    with pytest.raises(OutputError, match=said):
        stored.read(tmp_path / "state", stored.header | {"planned": [None, view]}, stored.tensors)


def test_objects_that_were_seen_in_views_of_different_shapes_survive(tmp_path):
    model = load_sam("lite", image_size=256, device="cpu", precision="fp32")
    rgb, labels = two_squares(5, (120, 240), ((20, 40), (150, 40)))
    first, second = (Tracker(model, Settings()) for _ in range(2))
    first.step(rgb, np.where(labels == 1, labels, 0).astype(np.uint8))
    first.step(rgb)
    first.step(rgb, np.where(labels == 2, labels, 0).astype(np.uint8))
    state = first.state()
    assert len({tuple(o.annotated.coverage.shape) for o in state.objects}) == 2
    write_snapshot(tmp_path / "state", Snapshot(3, 2, state))
    like = model.encode(rgb)
    read = read_snapshot(tmp_path / "state", like, fitted=False, values=model.value_layout)
    assert read.state.planned == state.planned != (None, None)
    second.restore(read.state)
    ours, theirs = first.step(rgb), second.step(rgb)
    assert ours.objects == theirs.objects
    assert np.array_equal(ours.labels, theirs.labels)


def test_an_object_that_is_removed_from_a_restored_tracker_leaves_the_others_as_ever():
    model = load_sam("lite", image_size=256, device="cpu", precision="fp32")
    rgb, labels = two_squares(5, (240, 400), ((60, 100), (90, 190)))
    first, second = (Tracker(model, Settings()) for _ in range(2))
    for number in range(4):
        first.step(rgb, labels if number == 0 else None)
    second.restore(first.state())
    first.remove(2)
    second.remove(2)
    for _ in range(3):
        ours, theirs = first.step(rgb), second.step(rgb)
        assert first.view == second.view is not None
        assert ours.objects == theirs.objects


@pytest.mark.parametrize(
    ("grid", "said"), [([4, 1000], "cells at most"), ([0, 6], "greater than or equal to 1")]
)
def test_a_grid_that_no_view_has_is_refused(stored, tmp_path, grid, said):
    header = deepcopy(stored.header)
    header["objects"][0]["recent"]["grid"] = grid
    with pytest.raises(OutputError, match=said):
        stored.read(tmp_path / "state", header, stored.tensors)


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, 2.0])
def test_what_is_no_share_is_refused(stored, tmp_path, value):
    name = stored.header["objects"][0]["mask"]["name"]
    tensors = stored.tensors | {name: torch.full_like(stored.tensors[name], value)}
    with pytest.raises(OutputError, match="not from 0 to 1"):
        stored.read(tmp_path / "state", stored.header, tensors)


WRONG = (None, True, -1, 0, 3, 2**70, 1e308, math.nan, math.inf, "0", "1", [], [1], {}, [[1, 2]])


def places(value, path=()):
    """Give the path to everything in nested lists and dictionaries."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, key))


def mutate_header(header, chance):
    """Replace, remove or exchange something in the header."""
    *path, last = chance.choice(list(places(header)))
    owner = header
    for key in path:
        owner = owner[key]
    match chance.randrange(4):
        case 0:
            del owner[last]
        case 1 if isinstance(owner, list):
            owner.append(owner[last])
        case 2:
            value = header
            for key in chance.choice(list(places(header))):
                value = value[key]
            owner[last] = deepcopy(value)
        case _:
            owner[last] = chance.choice(WRONG)


def mutate_tensors(tensors, chance):
    """Change the shape, type or values of a tensor."""
    name = chance.choice(list(tensors))
    tensor = tensors[name]
    match chance.randrange(6):
        case 0:
            tensors[name] = tensor.to(chance.choice([torch.float16, torch.bool, torch.complex64]))
        case 1:
            tensors[name] = tensor.flatten()[: chance.randrange(tensor.numel())].clone()
        case 2:
            tensors[name] = tensor.transpose(0, -1).contiguous()
        case 3:
            tensors[name] = tensors[chance.choice(list(tensors))].clone()
        case 4:
            tensors[name] = tensor * chance.choice([0.0, -1.0, 0.5, 1e30, math.nan, math.inf])
        case _:
            del tensors[name]


def test_a_damaged_state_is_refused_or_can_be_gone_on_from(stored, tmp_path):
    chance = random.Random(11)
    refused = accepted = 0
    for _ in range(150):
        header, tensors = deepcopy(stored.header), dict(stored.tensors)
        for _ in range(chance.randint(1, 2)):
            if chance.random() < 0.5:
                mutate_header(header, chance)
            else:
                mutate_tensors(tensors, chance)
        try:
            snapshot = stored.read(tmp_path / "state", header, tensors)
        except OutputError as error:
            assert "\n" not in str(error)
            refused += 1
        else:
            result = stored.step(snapshot)
            assert result.labels.shape == (64, 96)
            assert all(math.isfinite(seen.score) for seen in result.objects)
            accepted += 1
    assert refused > accepted > 0


def test_flipped_bits_are_refused_or_can_be_gone_on_from(stored, tmp_path):
    chance = random.Random(5)
    path = tmp_path / "state"
    stored.read(path, stored.header, stored.tensors)
    whole = path.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    for number in range(120):
        damaged = bytearray(whole)
        # most in the header: a bit elsewhere changes one of many values
        end = header if number % 4 else len(whole)
        damaged[chance.randrange(end)] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        try:
            snapshot = stored.read_file(path)
        except OutputError as error:
            assert "\n" not in str(error)
        else:
            if number % 4 == 0:
                stored.step(snapshot)


def test_the_system_s_reason_is_told(tmp_path):
    snapshot = Snapshot(1, 0, TrackerState(None, 0, ()))
    with pytest.raises(
        OutputError, match=r"cannot be written \(No such file or directory\); choose"
    ):
        write_snapshot(tmp_path / "missing" / "state.safetensors", snapshot)
