"""Objects that enter, leave and return: both ids stay right, which every frame's truth proves."""

from dataclasses import replace

import numpy as np
import pytest

from eval.common import iou
from persam_video.masks.png import read_label_png, write_label_png
from persam_video.sinks import read_tracks
from persam_video.synthetic import come_and_go
from persam_video.tracking import ObjectState

ENTERS, LEAVES, RETURNS = 30, 50, 70
SETTLING = 8  # frames in which an object is only partly in the picture, or has to be seen twice


@pytest.mark.slow
def test_objects_that_enter_leave_and_return_keep_their_ids(run, tmp_path):
    clip = replace(come_and_go(ENTERS, LEAVES, RETURNS), width=320, height=180)
    files = clip.write(tmp_path / "clip")
    truth = [read_label_png(path) for path in sorted(files.truth.iterdir())]
    for name, frame, object_id in (("a.png", 0, 1), ("b.png", ENTERS, 2)):
        labels = np.where(truth[frame] == object_id, object_id, 0).astype(np.uint8)
        write_label_png(tmp_path / name, labels)
    masks = ("--mask", f"0={tmp_path / 'a.png'}", "--mask", f"{ENTERS}={tmp_path / 'b.png'}")
    out = tmp_path / "out"
    fast = ("--set", "model.image_size=384", "--device", "cpu")
    ran = run("track", files.video, *masks, "--out", out, *fast)
    assert (ran.status, ran.err) == (0, "")

    records = list(read_tracks(out / "tracks.jsonl"))
    assert len(records) == 90
    overlaps = {1: [], 2: []}
    for record, labels in zip(records, truth, strict=True):
        index = record.frame
        found = read_label_png(out / "masks" / f"{index:05d}.png")
        ids = [seen.object_id for seen in record.objects]
        assert ids == ([1] if index < ENTERS else [1, 2])
        # no id is ever on the other object
        assert not ((found == 1) & (labels == 2)).sum() > 0.1 * (labels == 2).sum()
        assert not ((found == 2) & (labels == 1)).sum() > 0.1 * (labels == 1).sum()
        away = LEAVES + 2 <= index < RETURNS
        if away:
            assert record.objects[0].state is ObjectState.LOST
            assert not (found == 1).any()
        if index < LEAVES - SETTLING or index >= RETURNS + SETTLING:
            overlaps[1].append(iou(found == 1, labels == 1))
        if index >= ENTERS + SETTLING:
            overlaps[2].append(iou(found == 2, labels == 2))
    for found in overlaps.values():
        assert min(found) > 0.5
        assert np.mean(found) > 0.75
