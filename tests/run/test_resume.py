import itertools
import json
import multiprocessing
import random
import re
import signal
import textwrap
import time

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save

from persam_video.config import load_settings
from persam_video.errors import ConfigError, OutputError
from persam_video.run import FrameRange, track_to_folder
from persam_video.run.outputs import OutputPaths
from persam_video.sam.build import load_model
from persam_video.sinks import RunStatus, ThreadedSink, read_run
from tests.run.conftest import draw

# squares are found in a grid of eight cells, too
SMALL = {"model.image_size": 128, "model.device": "cpu"}

# kills itself amid the results of a frame, without a chance to clean up
KILLED = textwrap.dedent(
    """
    import os, signal, torch
    from persam_video.config import load_settings
    from persam_video.run import track_to_folder

    torch.set_num_threads(threads)

    def kill(progress):
        if progress.done == done:
            os.kill(os.getpid(), signal.SIGKILL)

    track_to_folder(
        source, mask, out, resume=True, snapshot_seconds=0, on_progress=kill,
        settings=load_settings("persam", small),
    )
    """
)


def outputs(folder):
    """Give every mask's bytes and every line of the tracks."""
    masks = {path.name: path.read_bytes() for path in sorted((folder / "masks").glob("*.png"))}
    return masks, (folder / "tracks.jsonl").read_bytes()


class CutOffError(Exception):
    """Stands for whatever ends a run."""


def cut_at(done):
    def stop(progress):
        if progress.done == done:
            raise CutOffError

    return stop


@pytest.fixture
def begin(squares, settings, loaded):
    """Track the squares into a folder."""

    def call(out="out", **options):
        return track_to_folder(
            squares.frames,
            options.pop("mask", None) or squares.mask(0, 1, 2),
            squares.folder / out,
            **{"settings": settings, "model": loaded, "snapshot_seconds": 0} | options,
        )

    return call


@pytest.fixture(scope="module")
def settings():
    return load_settings("persam", SMALL)


@pytest.fixture(scope="module")
def loaded(settings):
    return load_model(settings)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, settings, loaded):
    """Give the outputs of a run that nothing cut off."""
    squares = draw(tmp_path_factory.mktemp("whole"))
    out = squares.folder / "out"
    track_to_folder(squares.frames, squares.mask(0, 1, 2), out, settings=settings, model=loaded)
    return outputs(out)


def cut(begin, done, **options):
    with pytest.raises(CutOffError):
        begin(on_progress=cut_at(done), **options)


@pytest.mark.parametrize("done", [1, 5, 12])
def test_a_run_that_failed_goes_on_where_it_was(begin, whole, squares, done):
    cut(begin, done)
    steps = []
    record = begin(resume=True, on_progress=steps.append)
    assert record.status is RunStatus.FINISHED
    assert (record.frames_done, record.resumed_at) == (12, [done])
    assert outputs(squares.folder / "out") == whole
    names = {path.name for path in (squares.folder / "out").iterdir()}
    assert names == {"masks", "overlay.mp4", "tracks.jsonl", "run.json"}


@pytest.mark.parametrize("done", [1, 7, 12])
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_tracks_no_frame_again(begin, whole, squares, interrupts, done, end):
    def stop(progress):
        if progress.done == done:
            signal.raise_signal(end)

    record = begin(snapshot_seconds=1000, on_progress=stop)
    assert (record.status, record.frames_done) == (RunStatus.INTERRUPTED, done)
    record = begin(resume=True, snapshot_seconds=1000)
    assert (record.status, record.resumed_at) == (RunStatus.FINISHED, [done])
    assert outputs(squares.folder / "out") == whole


def test_an_interrupt_amid_the_last_snapshot_does_not_lose_it(
    begin, whole, squares, interrupts, monkeypatch
):
    wait, waited = ThreadedSink.wait, []

    def interrupted(store):
        waited.append(store)
        if len(waited) == 1:
            signal.raise_signal(signal.SIGINT)
        wait(store)

    monkeypatch.setattr(ThreadedSink, "wait", interrupted)
    record = begin(snapshot_seconds=1000)
    assert (record.status, record.frames_done) == (RunStatus.INTERRUPTED, 12)
    assert begin(resume=True).resumed_at == [12]
    assert outputs(squares.folder / "out") == whole


def test_the_state_is_there_until_the_record_says_finished(begin, squares, monkeypatch):
    forget, said = OutputPaths.forget_progress, []

    def forgetting(paths):
        said.append((paths.state.exists(), read_run(paths.record).status))
        forget(paths)

    monkeypatch.setattr(OutputPaths, "forget_progress", forgetting)
    begin()
    assert said == [(True, RunStatus.FINISHED)]


def test_a_run_interrupted_amid_its_frames_again_and_again(begin, whole, squares, interrupts):
    done = seconds = 0.0
    status = None
    while status is not RunStatus.FINISHED:
        seconds += 0.2
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            record = begin(resume=True, snapshot_seconds=1000)
        except KeyboardInterrupt:
            continue  # before the first frame
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        if record.resumed_at:
            assert record.resumed_at[-1] >= done
        status, done = record.status, record.frames_done
    assert outputs(squares.folder / "out") == whole


def test_a_failure_is_told_though_the_state_cannot_be_written(begin, squares):
    def stop(progress):
        state = squares.folder / "out" / "state.safetensors"
        state.mkdir()
        raise CutOffError

    with pytest.raises(CutOffError):
        begin(snapshot_seconds=1000, on_progress=stop)


@pytest.fixture
def interrupts():
    """Let signals end a run as the program does; what runs in the background may ignore SIGINT."""
    before = {
        number: signal.getsignal(number)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    }
    for number in before:
        signal.signal(number, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def processes():
    """Give a context whose processes have the package loaded, but nothing of this one's threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["persam_video.run"])
    return context


def start(processes, squares, out, done):
    """Start a run, or go on with it, in a process that kills itself after so many frames."""
    names = {
        "source": squares.frames,
        "mask": squares.mask(0, 1, 2),
        "out": out,
        "done": done,
        "threads": torch.get_num_threads(),
        "small": SMALL,
    }
    process = processes.Process(target=exec, args=(KILLED, names))
    process.start()
    return process


def test_a_run_that_was_killed_goes_on(begin, whole, squares, processes):
    out = squares.folder / "out"
    for done in (3, 8):
        process = start(processes, squares, out, done)
        process.join()
        assert process.exitcode == -signal.SIGKILL
    record = begin(resume=True)
    # snapshots come before the progress that kills
    assert record.resumed_at == [3, 8]
    assert outputs(out) == whole


@pytest.mark.slow
def test_kills_at_random_moments(begin, whole, squares, processes):
    chance = random.Random(7)
    for trial in range(5):
        out = squares.folder / f"out-{trial}"
        process = start(processes, squares, out, 0)
        while not (out / "run.json").exists() and process.is_alive():
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 1))
        process.kill()
        process.join()
        begin(f"out-{trial}", resume=True)
        assert outputs(out) == whole


def test_the_overlay_of_a_resumed_run_is_whole(begin, squares):
    import av

    cut(begin, 7)
    begin(resume=True)
    with av.open(str(squares.folder / "out" / "overlay.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) == 12


def test_a_torn_last_line_and_later_masks_are_done_again(begin, whole, squares):
    out = squares.folder / "out"
    cut(begin, 6, snapshot_seconds=0)
    with (out / "tracks.jsonl").open("a") as file:
        file.write('{"frame":6,"time"')
    (out / "masks" / "00006.png").write_bytes(b"torn")
    assert begin(resume=True).resumed_at == [6]
    assert outputs(out) == whole


@pytest.mark.parametrize("damage", ["mask", "mask gone", "lines", "state", "state gone"])
def test_what_is_not_whole_is_tracked_again(begin, whole, squares, damage):
    out = squares.folder / "out"
    cut(begin, 6)
    file = {
        "mask": out / "masks" / "00002.png",
        "mask gone": out / "masks" / "00002.png",
        "lines": out / "tracks.jsonl",
        "state": out / "state.safetensors",
        "state gone": out / "state.safetensors",
    }[damage]
    if "gone" in damage:
        file.unlink()
    elif damage == "lines":
        file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:4]))
    else:
        file.write_bytes(file.read_bytes()[:40])
    record = begin(resume=True)
    assert record.resumed_at == [0]
    assert bool(record.warnings) == (damage != "state gone")
    assert outputs(out) == whole


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda header, tensors: tensors.update({"0": tensors["0"][:-1].clone()}), "instead of"),
        (lambda header, tensors: header["objects"].pop(), r"objects \[1\], annotated are \[1, 2\]"),
        (lambda header, tensors: header.update(frames=7), "6 lines of 7"),
        (lambda header, tensors: header.update(last=4), "results are missing"),
    ],
    ids=["shape", "objects", "frames", "last"],
)
def test_a_state_that_does_not_fit_the_run_is_not_used(begin, whole, squares, change, said):
    out = squares.folder / "out"
    cut(begin, 6)
    state = out / "state.safetensors"
    with safe_open(state, framework="pt") as file:
        header = json.loads(file.metadata()["persam-video"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(header, tensors)
    state.write_bytes(save(tensors, metadata={"persam-video": json.dumps(header)}))
    record = begin(resume=True)
    assert record.resumed_at == [0]
    (warning,) = record.warnings
    assert re.search(said, warning)
    assert outputs(out) == whole


def test_a_finished_run_is_left_alone(begin, squares):
    begin()
    out = squares.folder / "out"
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    assert begin(resume=True, on_progress=cut_at(1)).frames_done == 12
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_without_a_run_resume_begins_one(begin, whole, squares):
    record = begin(resume=True)
    assert (record.status, record.resumed_at) == (RunStatus.FINISHED, [])
    assert outputs(squares.folder / "out") == whole


def test_a_run_is_not_resumed_as_another(begin, squares):
    cut(begin, 4)
    before = outputs(squares.folder / "out")
    others = {
        r"settings.prior.alpha was 0.5, now 0.3": {
            "settings": load_settings(
                "persam",
                {**SMALL, "prior.alpha": 0.3},
            )
        },
        r"source.stride was 1, now 2": {"frames": FrameRange(stride=2)},
        r"source.stop was None, now 9": {"frames": FrameRange(stop=9)},
        r"references.0 was": {"mask": squares.mask(0, 1)},
        r"source.backward was False": {"backward": True},
        r"references.5 was not there": {"mask": {0: squares.mask(0, 1, 2), 5: squares.mask(5, 1)}},
    }
    for found, options in others.items():
        with pytest.raises(OutputError, match=found) as refused:
            begin(resume=True, **options)
        assert "--overwrite" in str(refused.value)
        assert "\n" not in str(refused.value)
    assert outputs(squares.folder / "out") == before


@pytest.mark.parametrize(
    "age",
    [
        lambda data: data["versions"].update({"persam-video": "0.1.0"}),
        lambda data: data["source"].pop("min_score"),
        lambda data: data["settings"]["prior"].popitem(),
    ],
)
def test_a_run_of_an_earlier_version_is_named_as_such(begin, squares, age):
    cut(begin, 4)
    path = squares.folder / "out" / "run.json"
    data = json.loads(path.read_text())
    age(data)
    path.write_text(json.dumps(data))
    with pytest.raises(OutputError, match=r"another version.*--overwrite") as refused:
        begin(resume=True)
    assert "\n" not in str(refused.value)
    assert begin(overwrite=True).status is RunStatus.FINISHED


def test_another_model_or_version_is_another_run(begin, squares):
    cut(begin, 4)
    path = squares.folder / "out" / "run.json"
    for change in (
        lambda data: data["model"].update(sha256="0" * 64),
        lambda data: data["versions"].update(torch="1.0"),
        lambda data: data["source"].update(first_frame="0" * 64),
        lambda data: data["source"].update(threads=99),
    ):
        kept = path.read_text()
        data = json.loads(kept)
        change(data)
        path.write_text(json.dumps(data))
        with pytest.raises(OutputError, match="started differently"):
            begin(resume=True)
        path.write_text(kept)


def test_results_of_unknown_origin_are_not_resumed(begin, squares):
    cut(begin, 4)
    record = squares.folder / "out" / "run.json"
    record.write_text("{")
    for how in ({"resume": True}, {"overwrite": True}, {}):
        with pytest.raises(OutputError, match=r"is not the record of a run.*choose another folder"):
            begin(**how)
    record.unlink()
    before = outputs(squares.folder / "out")
    for how in ({"resume": True}, {"overwrite": True}, {}):
        with pytest.raises(OutputError, match=r"is of no run.*choose another folder"):
            begin(**how)
    assert outputs(squares.folder / "out") == before


def test_an_existing_run_is_refused_and_the_ways_out_named(begin):
    cut(begin, 2)
    with pytest.raises(OutputError, match=r"--resume.*--overwrite"):
        begin()
    with pytest.raises(ConfigError, match="one of them"):
        begin(resume=True, overwrite=True)
    assert begin(overwrite=True).resumed_at == []


def test_upstream_tracks_again_and_says_so(squares, nano_sam):
    settings = load_settings("upstream")
    common = (squares.frames, squares.mask(0, 1), squares.folder / "out")
    options = {"settings": settings, "model": nano_sam, "frames": FrameRange(stop=3)}
    with pytest.raises(CutOffError):
        track_to_folder(*common, **options, on_progress=cut_at(2))
    record = track_to_folder(*common, **options, resume=True)
    assert record.resumed_at == [0]
    assert "stores no state" in record.warnings[0]


def test_the_lines_are_those_of_the_masks(whole):
    masks, tracks = whole
    assert len(masks) == len(tracks.splitlines()) == 12
    pairs = itertools.pairwise(json.loads(line)["frame"] for line in tracks.splitlines())
    assert all(b == a + 1 for a, b in pairs)
    assert np.all([len(png) > 0 for png in masks.values()])
