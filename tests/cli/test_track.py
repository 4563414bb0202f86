import json
import re
import signal
import subprocess
import sys
import time

import av
import numpy as np
import pytest
from pycocotools import mask as coco

from persam_video.config import load_settings
from persam_video.masks.png import read_label_png, write_label_png
from persam_video.run import track_to_folder
from persam_video.sinks import read_run, read_tracks
from persam_video.video import VideoWriter
from tests.mjpeg import decoded, jpegs

FAST = ("--set", "model.image_size=256", "--device", "cpu")
LONG = 800  # frames


@pytest.fixture(scope="module")
def finished(clip, tmp_path_factory):
    """One run of the program, of which the tests look at different sides."""

    out = tmp_path_factory.mktemp("run") / "out"
    command = [sys.executable, "-m", "persam_video", "track", clip.video, "--mask", clip.first_mask]
    done = subprocess.run(
        [*command, "--out", out, *FAST], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # no bar where there is no terminal
    return out


def test_a_mask_for_every_frame_with_only_the_annotation_s_ids(finished, clip):
    masks = sorted((finished / "masks").iterdir())
    assert [mask.name for mask in masks] == [f"{i:05d}.png" for i in range(8)]
    assert np.array_equal(read_label_png(masks[0]), read_label_png(clip.first_mask))
    for mask in masks:
        assert set(np.unique(read_label_png(mask))) <= {0, 1, 2, 3}


def test_the_overlay_is_a_video_for_browsers(finished):
    with av.open(str(finished / "overlay.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.average_rate == 25
        assert (stream.width, stream.height) == (640, 360)
        assert sum(1 for _ in container.decode(stream)) == 8
    data = (finished / "overlay.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_json_lines_hold_the_same_masks(finished):
    lines = (finished / "tracks.jsonl").read_text().splitlines()
    assert len(lines) == 8
    for number, line in enumerate(lines):
        record = json.loads(line)
        labels = read_label_png(finished / "masks" / f"{number:05d}.png")
        assert record["frame"] == number
        assert record["time"] == pytest.approx(number / 25, abs=1e-3)
        for entry in record["objects"]:
            decoded = coco.decode(entry["segmentation"])
            assert np.array_equal(decoded.astype(bool), labels == entry["id"])
    assert len(list(read_tracks(finished / "tracks.jsonl"))) == 8


def test_the_record_says_what_the_run_was(finished):
    record = read_run(finished / "run.json")
    assert record.status.value == "finished"
    assert record.frames_done == 8
    assert record.model.name == "lite"
    assert len(record.model.sha256) == 64
    assert record.settings["prior"]["alpha"] == 0.5
    assert record.source["fps"] == "25"
    assert record.source["duration"] == pytest.approx(8 / 25)
    assert record.source["max_duration"] is None
    assert {"decode", "track", "write"} <= record.timings.keys()
    assert record.warnings == []


def test_the_profile_accounts_for_all_seconds(run, clip, tmp_path):
    arguments = ("track", clip.video, "--mask", clip.first_mask, "--out", tmp_path / "out")
    ran = run(*arguments, "--max-frames", "3", "--profile", "--set", "model.image_size=256")
    assert ran.status == 0, ran.err
    *lines, memory = ran.out.split("time per stage\n")[1].splitlines()
    assert lines[0].split() == ["stage", "s", "ms", "per", "frame", "%"]
    shares = {line.split()[0]: float(line.split()[-1]) for line in lines[1:]}
    stages = {
        "open",
        "decode",
        "encode",
        "prompt",
        "predict",
        "merge",
        "remember",
        "write",
        "finish",
    }
    assert stages <= set(shares)
    assert sum(shares.values()) == pytest.approx(100, abs=1)
    record = read_run(tmp_path / "out" / "run.json")
    assert set(record.timings) == set(shares)
    assert memory == f"peak memory {record.peak_memory / 2**20:,.0f} MiB"


def test_the_stages_make_up_the_run(clip, tmp_path):
    settings = load_settings("persam", {"model.image_size": 256, "model.device": "cpu"})
    begun = time.perf_counter()
    record = track_to_folder(clip.video, clip.first_mask, tmp_path / "out", settings=settings)
    assert sum(record.timings.values()) >= 0.95 * (time.perf_counter() - begun)


def test_nothing_else_is_left_behind(finished):
    names = {path.name for path in finished.iterdir()}
    assert names == {"masks", "overlay.mp4", "tracks.jsonl", "run.json"}


@pytest.mark.parametrize(
    "options",
    [
        ("--decoder", "decord"),
        ("--method", "persam-f", "--set", "weights.steps=20"),
        ("--start", "2", "--stop", "6", "--stride", "2"),
        ("--precision", "fp32", "--config", "persam_f", "--set", "weights.steps=5"),
    ],
    ids=lambda options: options[1],
)
def test_the_same_command_in_other_ways(run, clip, tmp_path, options):
    if options[1] == "decord":
        pytest.importorskip("decord")
    mask = clip.truth / "00002.png" if "--start" in options else clip.first_mask
    ran = run("track", clip.video, "--mask", mask, "--out", tmp_path / "out", *FAST, *options)
    assert (ran.status, ran.err) == (0, "")
    names = [path.name for path in sorted((tmp_path / "out" / "masks").iterdir())]
    expected = range(2, 6, 2) if "--start" in options else range(8)
    assert names == [f"{i:05d}.png" for i in expected]


def test_a_folder_of_images_is_a_source_too(run, clip, tmp_path):
    from PIL import Image

    frames = tmp_path / "frames"
    frames.mkdir()
    with av.open(str(clip.video)) as container:
        for i, frame in enumerate(container.decode(video=0)):
            if i < 3:
                Image.fromarray(frame.to_ndarray(format="rgb24")).save(frames / f"{i:05d}.jpg")
    ran = run("track", frames, "--mask", clip.first_mask, "--out", tmp_path / "out", *FAST)
    assert ran.status == 0
    assert len(list((tmp_path / "out" / "masks").iterdir())) == 3


def test_an_earlier_run_is_kept_unless_told_otherwise(run, clip, tmp_path):
    arguments = ("track", clip.video, "--mask", clip.first_mask, "--out", tmp_path / "out", *FAST)
    assert run(*arguments, "--stop", "4", "-q").status == 0
    before = (tmp_path / "out" / "run.json").read_bytes()
    again = run(*arguments)
    assert again.status == 2
    assert "--overwrite" in again.err
    assert (tmp_path / "out" / "run.json").read_bytes() == before
    assert run(*arguments, "--stop", "2", "--overwrite").status == 0
    assert len(list((tmp_path / "out" / "masks").iterdir())) == 2


def test_resume_goes_on_and_then_has_nothing_to_do(run, clip, tmp_path):
    from persam_video.config import load_settings
    from persam_video.run import FrameRange, track_to_folder

    def stop(progress):
        if progress.done == 2:
            raise KeyboardInterrupt

    mask = f"0={clip.first_mask}"
    arguments = ("track", clip.video, "--mask", mask, "--out", tmp_path / "out", "--stop", 4, *FAST)
    track_to_folder(
        clip.video,
        clip.first_mask,
        tmp_path / "out",
        settings=load_settings("persam", {"model.image_size": 256, "model.device": "cpu"}),
        frames=FrameRange(stop=4),
        snapshot_seconds=0,
        on_progress=stop,
    )
    ran = run(*arguments, "--resume")
    assert (ran.status, ran.err) == (0, "")
    assert read_run(tmp_path / "out" / "run.json").resumed_at == [2]
    assert len(list((tmp_path / "out" / "masks").iterdir())) == 4
    again = run(*arguments, "--resume")
    assert again.status == 0
    assert "nothing to do" in again.out
    other = run(*arguments, "--resume", "--set", "prior.alpha=0.1")
    assert other.status == 2
    assert "prior.alpha" in other.err


def test_an_interrupted_run_keeps_what_is_done(clip, tmp_path, monkeypatch):
    from persam_video.config import load_settings
    from persam_video.run import track_to_folder

    def stop_at_three(progress):
        if progress.done == 3:
            raise KeyboardInterrupt

    record = track_to_folder(
        clip.video,
        clip.first_mask,
        tmp_path / "out",
        settings=load_settings("persam", {"model.image_size": 256}),
        on_progress=stop_at_three,
    )
    assert record.status.value == "interrupted"
    assert read_run(tmp_path / "out" / "run.json").frames_done == 3
    assert len(list((tmp_path / "out" / "masks").iterdir())) == 3
    assert len((tmp_path / "out" / "tracks.jsonl").read_text().splitlines()) == 3
    with av.open(str(tmp_path / "out" / "overlay.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 3


@pytest.fixture
def long_clip(tmp_path):
    """A video that is not over before a signal comes, and the mask of its first frame."""
    labels = np.zeros((64, 96), np.uint8)
    labels[20:44, 30:54] = 1
    picture = np.where(labels[..., None] == 1, np.uint8(220), np.uint8(40)).repeat(3, axis=2)
    with VideoWriter(tmp_path / "long.mp4", size=(96, 64), fps=25) as video:
        for _ in range(LONG):
            video.write(picture)
    write_label_png(tmp_path / "first.png", labels)
    return tmp_path / "long.mp4", tmp_path / "first.png"


@pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")
def test_a_run_is_watched_until_ctrl_c(long_clip, tmp_path):
    video, mask = long_clip
    command = [sys.executable, "-m", "persam_video", "track", video, "--mask", mask, "--preview"]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            [*command, "--no-browser", "--out", tmp_path / "out", "--style", "contour", *FAST],
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    address = re.fullmatch(
        r"preview: (http://127\.0\.0\.1:\d+/[\w-]{32}/)\n", process.stderr.readline()
    )
    stream = jpegs(f"{address[1]}stream")
    assert decoded(next(stream)).shape == (64, 96, 3)
    process.send_signal(signal.SIGINT)
    rest = [decoded(jpeg).shape for jpeg in stream]  # comes to an end
    assert rest == [(64, 96, 3)] * len(rest)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert errors == "persam-video: interrupted; finished frames are kept, --resume continues\n"
    assert read_run(tmp_path / "out" / "run.json").status.value == "interrupted"


@pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")
@pytest.mark.parametrize(("ended_by", "status"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_a_signal_ends_a_run_in_order(long_clip, tmp_path, ended_by, status):
    out = tmp_path / "out"
    video, mask = long_clip
    command = [sys.executable, "-m", "persam_video", "track", video, "--mask", mask]
    # a process in the background may have been told to ignore Ctrl-C, and would hand that on
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            [*command, "--out", out, *FAST],
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    tracks = out / "tracks.jsonl"
    while process.poll() is None and not (tracks.exists() and tracks.read_bytes()):
        time.sleep(0.01)
    process.send_signal(getattr(signal, ended_by))
    _, errors = process.communicate(timeout=300)
    assert (process.returncode, "Traceback" in errors) == (status, False), errors
    record = read_run(out / "run.json")
    assert record.status.value == "interrupted"
    assert 1 <= record.frames_done < LONG
    masks = sorted((out / "masks").iterdir())
    assert [read_label_png(mask).shape for mask in masks] == [(64, 96)] * record.frames_done
    assert len(list(read_tracks(tracks))) == record.frames_done
    with av.open(str(out / "overlay.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == record.frames_done


def test_the_picture_of_the_prompts_is_listed(run, clip, tmp_path):
    box = ("--box", "1:60,60,160,160", "--max-frames", "1")
    words = ("track", clip.video, *box, *FAST, "--out", tmp_path / "a")
    ran = run(*words, "--json")
    assert ran.status == 0, ran.err
    document = json.loads(ran.out)
    assert document["outputs"]["reference"] == str(tmp_path / "a" / "reference.png")
    assert document["run"]["box_format"] == "xywh"
    assert (tmp_path / "a" / "reference.png").is_file()
    ran = run(*words, "--overwrite")
    assert f"  {tmp_path / 'a' / 'reference.png'}\n" in ran.out
