from dataclasses import fields

import numpy as np
import pytest
import torch

from persam_video.config import load_settings
from persam_video.errors import OutputError
from persam_video.persam.matching import Memory
from persam_video.tracking import Tracker
from persam_video.tracking.objects import TrackedObject, TrackerState
from persam_video.tracking.snapshot import Snapshot, read_snapshot, write_snapshot

CPU = torch.device("cpu")


def parts(value):
    """Give the tensors and plain values that an object's field is made of."""
    return [value.keys, value.coverage] if isinstance(value, Memory) else [value]


@pytest.mark.parametrize("preset", ["persam", "persam_f"])
def test_a_restored_tracker_goes_on_exactly_as_the_first(model, demo_frames, tmp_path, preset):
    overrides = {"prior.motion": 0.5} | ({"weights.steps": 5} if preset == "persam_f" else {})
    settings = load_settings(preset, overrides)
    first, second = Tracker(model, settings), Tracker(model, settings)
    first.step(*demo_frames[0])
    for frame, _ in demo_frames[1:4]:
        first.step(frame)
    write_snapshot(tmp_path / "state", Snapshot(4, 3, first.state()))
    snapshot = read_snapshot(tmp_path / "state", CPU)
    assert (snapshot.frames, snapshot.last) == (4, 3)
    second.restore(snapshot.state)
    for frame, _ in demo_frames[4:7]:
        ours, theirs = first.step(frame), second.step(frame)
        assert np.array_equal(ours.labels, theirs.labels)
        assert ours.objects == theirs.objects  # scores bit for bit


def test_every_field_of_an_object_survives(model, demo_frames, tmp_path):
    tracker = Tracker(model, load_settings("persam_f", {"weights.steps": 2}))
    tracker.step(*demo_frames[0])
    tracker.step(demo_frames[1][0])
    before = tracker.state()
    write_snapshot(tmp_path / "state", Snapshot(2, 1, before))
    after = read_snapshot(tmp_path / "state", CPU).state
    assert (after.frame_size, after.steps) == (before.frame_size, before.steps)
    for old, new in zip(before.objects, after.objects, strict=True):
        for each in fields(TrackedObject):
            for a, b in zip(
                parts(getattr(old, each.name)), parts(getattr(new, each.name)), strict=True
            ):
                assert np.array_equal(a, b), each.name
                if isinstance(a, torch.Tensor):
                    assert (a.stride(), a.dtype) == (b.stride(), b.dtype)
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


@pytest.mark.parametrize("content", [b"", b"no tensors", b"\x02\0\0\0\0\0\0\0{}"])
def test_what_is_no_snapshot_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "state"
    path.write_bytes(content)
    with pytest.raises(OutputError, match="not a snapshot") as refused:
        read_snapshot(path, CPU)
    assert "\n" not in str(refused.value)


def test_the_system_s_reason_is_told(tmp_path):
    snapshot = Snapshot(1, 0, TrackerState(None, 0, ()))
    with pytest.raises(
        OutputError, match=r"cannot be written \(No such file or directory\); choose"
    ):
        write_snapshot(tmp_path / "missing" / "state.safetensors", snapshot)
