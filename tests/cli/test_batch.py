import os
import signal
import subprocess
import sys
import time

import pytest

from persam_video.video import FrameStream

FAST = ("--set", "model.image_size=256", "--device", "cpu", "--save", "table")


@pytest.mark.parametrize("failing", [True, False])
def test_a_list_is_tracked_and_summed_up(run, clip, tmp_path, failing):
    lines = ["source,mask,name", f"{clip.video},{clip.first_mask},good"]
    if failing:
        lines.insert(1, f"{tmp_path / 'gone.mp4'},{clip.first_mask},")
    jobs = tmp_path / "jobs.csv"
    jobs.write_text("\n".join(lines))
    ran = run("batch", jobs, "--out", tmp_path / "out", *FAST)
    assert ran.status == (1 if failing else 0)
    table = [line.split() for line in ran.out.splitlines()]
    assert table[0][:4] == ["1", "of", "2" if failing else "1", "finished"]
    assert table[-1] == ["good", "8", "finished"]
    if failing:
        assert table[-2] == ["gone", "0", "failed"]
        assert ran.err.startswith("persam-video: error: gone: ")
    assert ran.err.count("\n") == failing
    assert (tmp_path / "out" / "good" / "masks" / "00007.png").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_every_video_of_a_list_has_the_style(run, clip, tmp_path, workers):
    jobs, out = tmp_path / "jobs.csv", tmp_path / "out"
    lines = [f"{clip.video},{clip.first_mask},{name}" for name in "ab"]
    jobs.write_text("\n".join(("source,mask,name", *lines)))
    style = ("--style", "follow=64x48,anonymise=fill", "--workers", workers, *FAST[:4])
    assert run("batch", jobs, "--out", out, *style).status == 0
    for name in "ab":
        with FrameStream(out / name / "overlay.mp4") as frames:
            shown = [frame.rgb for frame in frames]
        assert {rgb.shape for rgb in shown} == {(48, 64, 3)}
        assert all((rgb < 12).all(axis=2).mean() > 0.1 for rgb in shown)  # the object is black


def test_a_wrong_list_is_one_line(run, tmp_path):
    jobs = tmp_path / "jobs.yaml"
    jobs.write_text("- {source: a.mp4, maks: m.png}")
    ran = run("batch", jobs, "--out", tmp_path / "out")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.count("\n") == 1
    assert "did you mean 'mask'" in ran.err


def test_sigterm_keeps_what_workers_have_done(clip, tmp_path):
    lines = ["source,mask,name", *(f"{clip.video},{clip.first_mask},{name}" for name in "ab")]
    jobs, out = tmp_path / "jobs.csv", tmp_path / "out"
    jobs.write_text("\n".join(lines))
    program = [sys.executable, "-m", "persam_video", "batch", str(jobs), "--out", str(out)]
    process = subprocess.Popen(
        [*program, *FAST, "--workers", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while process.poll() is None and len(list(out.glob("*/masks/*.png"))) < 2:
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGTERM)  # a service manager ends all processes at once
    said, errors = process.communicate()
    assert process.returncode == 143
    assert errors == "persam-video: interrupted; finished frames are kept, --resume continues\n"
    for name, frames, status in map(str.split, said.splitlines()[2:]):
        assert status in ("interrupted", "finished")
        masks = len(list((out / name / "masks").glob("*.png")))
        assert masks - 1 <= int(frames) <= masks
