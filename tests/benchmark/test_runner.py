import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from persam_video.benchmark.runner import SequenceState, run_benchmark
from persam_video.config import load_settings
from persam_video.davis.dataset import DavisDataset
from persam_video.errors import ConfigError, DatasetError, OutputError, PersamVideoError
from persam_video.masks.png import read_label_png, write_label_png
from persam_video.run import track
from persam_video.sam.build import build_network, load_model
from persam_video.sam.registry import MODELS
from persam_video.sinks import read_tracks
from persam_video.synthetic import crossing, demo
from persam_video.util.lock import exclusive_folder

SETTINGS = {"model.image_size": 256, "model.device": "cpu", "model.precision": "fp32"}
LENGTHS = {"pond": 6, "cross": 5, "again": 4}


@pytest.fixture(scope="module")
def drawn():
    """Frames and labels of each sequence, at a quarter of their size."""
    clips = {"pond": demo(), "cross": crossing(), "again": demo(3)}
    return {
        name: [
            (
                np.asarray(Image.fromarray(rgb).resize((160, 90))),
                np.ascontiguousarray(labels[::4, ::4]),
            )
            for rgb, labels in replace(clip, length=LENGTHS[name]).frames()
        ]
        for name, clip in clips.items()
    }


def write_sequence(root, name, frames, *, folder="480p"):
    for kind in ("JPEGImages", "Annotations"):
        (root / kind / folder / name).mkdir(parents=True)
    for index, (rgb, labels) in enumerate(frames):
        image = Image.fromarray(rgb)
        image.save(root / "JPEGImages" / folder / name / f"{index:05d}.jpg", quality=95)
        write_label_png(root / "Annotations" / folder / name / f"{index:05d}.png", labels)


@pytest.fixture(scope="module")
def template(drawn, tmp_path_factory):
    root = tmp_path_factory.mktemp("davis") / "DAVIS"
    for name, frames in drawn.items():
        write_sequence(root, name, frames)
    for year in (2016, 2017):
        names = root / "ImageSets" / str(year) / "val.txt"
        names.parent.mkdir(parents=True)
        names.write_text("".join(f"{name}\n" for name in drawn))
    return root


@pytest.fixture
def root(template, tmp_path):
    """A copy of the dataset, to be spoilt."""
    return shutil.copytree(template, tmp_path / "DAVIS")


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def settings(**overrides):
    return load_settings("persam", SETTINGS | overrides)


@cache
def loaded():
    return load_model(settings())


def run(root, out, *, year=2017, only=(), changes=None, **options):
    dataset = DavisDataset(root, year, "val", only=only)
    if changes is None and options.get("workers", 1) == 1:
        options["model"] = loaded()
    return run_benchmark(dataset, out, settings=settings(**(changes or {})), **options)


def masks(out):
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in Path(out).rglob("*")
        if path.is_file() and path.name != "run.json"
    }


@pytest.fixture(scope="module")
def finished_once(template, tmp_path_factory):
    """The folder of a run that is not interrupted."""
    out = tmp_path_factory.mktemp("whole") / "out"
    run(template, out)
    return out


@pytest.fixture(scope="module")
def again_once(template, tmp_path_factory):
    """The folder of a run of a single sequence."""
    out = tmp_path_factory.mktemp("again") / "out"
    run(template, out, only=["again"])
    return out


@pytest.fixture(scope="module")
def whole(finished_once):
    """What a run that is not interrupted gives."""
    return masks(finished_once)


@pytest.fixture
def finished(finished_once, out):
    """A copy of the finished run, to be spoilt and gone on with."""
    return shutil.copytree(finished_once, out)


@pytest.fixture
def finished_again(again_once, out):
    """A copy of the run of a single sequence."""
    return shutil.copytree(again_once, out)


class Stop:
    """Interrupts a run as Ctrl-C does, at a frame of a sequence."""

    def __init__(self, name, frame, raises=KeyboardInterrupt):
        self.at = name, frame
        self.raises = raises

    def __call__(self, progress):
        if (progress.name, progress.done) == self.at and progress.state == "running":
            raise self.raises


def test_every_frame_has_a_mask_and_a_line(template, whole):
    names = {f"{name}/{i:05d}.png" for name, length in LENGTHS.items() for i in range(length)}
    assert set(whole) == names | {f"tracks/{name}.jsonl" for name in LENGTHS}


def test_the_masks_are_those_of_track(template, out):
    record = run(template, out, only=["pond"])
    chosen = settings()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        results = list(
            track(
                template / "JPEGImages/480p/pond",
                template / "Annotations/480p/pond/00000.png",
                settings=chosen,
                model=load_model(chosen),
            )
        )
    finally:
        torch.set_num_threads(before)
    assert record.frames_done == len(results) == LENGTHS["pond"]
    for result, line in zip(results, read_tracks(out / "tracks/pond.jsonl"), strict=True):
        assert np.array_equal(read_label_png(out / f"pond/{result.index:05d}.png"), result.labels)
        assert [found.object_id for found in line.objects] == [1, 2, 3]
    assert torch.get_num_threads() == before


def test_only_the_first_annotation_is_ever_opened(root, whole, out):
    for annotation in root.glob("Annotations/480p/*/*.png"):
        if annotation.stem != "00000":
            annotation.write_bytes(b"garbage")
    opened = []
    recording = [True]

    def hook(event, arguments):
        if recording and event == "open" and "Annotations" in str(arguments[0]):
            opened.append(Path(os.fsdecode(arguments[0])))

    sys.addaudithook(hook)  # it stays for as long as the process, so it is made to do nothing
    try:
        run(root, out)
    finally:
        recording.clear()
    assert masks(out) == whole
    files = {path for path in opened if path.suffix == ".png"}
    assert files == {root / f"Annotations/480p/{name}/00000.png" for name in LENGTHS}


def test_progress_tells_of_each_sequence_and_of_all(template, out):
    seen = []
    run(template, out, on_progress=seen.append)
    total = sum(LENGTHS.values())
    assert [event.all_done for event in seen if event.state == "running"] == list(
        range(1, total + 1)
    )
    assert {event.all_total for event in seen} == {total}
    finished = [event for event in seen if event.state == SequenceState.FINISHED]
    assert [(event.name, event.done, event.total) for event in finished] == [
        (name, length, length) for name, length in LENGTHS.items()
    ]
    assert all(event.seconds > 0 for event in finished)
    seen.clear()
    run(template, out, on_progress=seen.append)
    assert [(event.name, event.state) for event in seen] == [
        (name, SequenceState.VERIFIED) for name in LENGTHS
    ]


def test_a_long_run_tells_how_long_it_will_take_before_it_begins(drawn, out, tmp_path):
    frames, root = drawn["pond"][:1], tmp_path / "DAVIS"
    for name in ("left", "right"):
        write_sequence(root, name, frames)
        for index in range(1, 1000):
            image = root / "JPEGImages/480p" / name / f"{index:05d}.jpg"
            image.symlink_to(image.with_stem("00000"))
    (root / "ImageSets/2017").mkdir(parents=True)
    (root / "ImageSets/2017/val.txt").write_text("left\nright\n")
    checkpoint = tmp_path / "random.pt"
    torch.save(build_network(MODELS["vit_t"], 1024).state_dict(), checkpoint)
    model = {"name": "vit_t", "checkpoint": str(checkpoint), "image_size": 1024}
    changes = {f"model.{key}": value for key, value in model.items()}
    seen = []

    def stop(progress):
        seen.append(progress)
        raise KeyboardInterrupt

    record = run_benchmark(
        DavisDataset(root, 2017, "val"),
        out,
        settings=settings(**changes),
        workers=2,
        on_progress=stop,
    )
    assert record.status.value == "interrupted"
    (progress,) = seen
    assert (progress.name, progress.done) == ("left", 0)
    estimate = progress.estimate
    assert (estimate.model, estimate.frames, estimate.at_once) == ("vit_t", 2000, 2)
    assert estimate.seconds == 1000 * estimate.frame_seconds
    assert not any(out.glob("*/*.png"))


@pytest.mark.parametrize(
    ("name", "frame", "kept"), [("pond", 1, 0), ("cross", 3, 1), ("again", 4, 2)]
)
def test_an_interrupted_run_is_gone_on_with(template, whole, out, name, frame, kept):
    record = run(template, out, on_progress=Stop(name, frame))
    assert record.status.value == "interrupted"
    assert json.loads((out / "run.json").read_text())["status"] == "interrupted"
    assert len(record.sequences) == kept
    written = {path: path.stat().st_mtime_ns for path in out.glob("*/*.png")}
    seen = []
    record = run(template, out, on_progress=seen.append)
    assert record.status.value == "finished"
    assert masks(out) == whole
    assert [event.state.value for event in seen].count("verified") == kept
    for finished in list(LENGTHS)[:kept]:
        for path in out.glob(f"{finished}/*.png"):
            assert path.stat().st_mtime_ns == written[path]


def test_an_error_of_the_caller_leaves_a_run_that_goes_on(template, whole, out):
    with pytest.raises(ZeroDivisionError):
        run(template, out, on_progress=Stop("cross", 2, ZeroDivisionError))
    assert json.loads((out / "run.json").read_text())["status"] == "failed"
    run(template, out)
    assert masks(out) == whole


DAMAGES = {
    "missing": lambda path: path.unlink(),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "other mask": lambda path: write_label_png(path, np.ones((90, 160), np.uint8)),
    "other size": lambda path: write_label_png(path, np.zeros((9, 16), np.uint8)),
    "one too many": lambda path: shutil.copy(path, path.with_name("00099.png")),
    "a folder": lambda path: (path.unlink(), path.with_name("x.png").mkdir()),
}


@pytest.mark.parametrize("damage", list(DAMAGES)[:5])
def test_a_finished_sequence_is_verified(template, whole, finished, damage):
    out = finished
    DAMAGES[damage](out / "cross" / "00002.png")
    seen = []
    record = run(template, out, on_progress=seen.append)
    assert masks(out) == whole
    assert record.warnings == ["cross: its masks have changed; tracking it again"]
    states = {event.name: event.state.value for event in seen}
    assert states == {"pond": "verified", "cross": "finished", "again": "verified"}


def test_what_is_in_the_way_is_one_clear_line(template, finished):
    DAMAGES["a folder"](finished / "cross" / "00002.png")
    with pytest.raises(OutputError, match=r"out/cross.*cannot be written"):
        run(template, finished)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"changes": {"prior.alpha": 0.3}}, r"prior\.alpha was 0\.5, now 0\.3"),
        ({"changes": {"model.image_size": 320}}, "image_size was 256, now 320"),
        ({"changes": {"model.precision": "bf16"}}, "precision was fp32, now bf16"),
        ({"changes": {"method": "persam-f"}}, "method was persam, now persam-f"),
        ({"threads": 2}, "threads was 1, now 2"),
        ({"year": 2016}, "year was 2017, now 2016"),
    ],
)
def test_a_run_of_other_settings_is_not_gone_on_with(template, finished_again, options, said):
    out = finished_again
    before = masks(out), (out / "run.json").read_bytes()
    with pytest.raises(OutputError, match=said) as caught:
        run(template, out, **options)
    assert "--overwrite" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (masks(out), (out / "run.json").read_bytes()) == before
    record = run(template, out, only=["again"], overwrite=True, **options)
    assert record.status.value == "finished"


def test_a_run_of_another_model_is_not_gone_on_with(template, finished_again):
    out = finished_again
    record = json.loads((out / "run.json").read_text())
    record["model"]["sha256"] = "0" * 64
    (out / "run.json").write_text(json.dumps(record))
    with pytest.raises(OutputError, match=r"model\.sha256 was 0000"):
        run(template, out)


def test_other_versions_may_verify_but_not_add(template, finished_again):
    out = finished_again
    record = json.loads((out / "run.json").read_text())
    record["versions"]["torch"] = "1.0"
    (out / "run.json").write_text(json.dumps(record))
    assert run(template, out, only=["again"]).versions["torch"] == "1.0"
    with pytest.raises(OutputError, match=r"torch was 1\.0, now 2"):
        run(template, out)


def test_the_dataset_may_move_and_sequences_may_be_added(root, whole, finished_again):
    out = finished_again
    record = run(root, out, only=["pond", "cross"])
    assert set(record.sequences) == set(LENGTHS)
    assert masks(out) == whole


def test_masks_of_an_unknown_run_are_not_touched(template, out):
    write_label_png_in(out / "pond" / "00000.png")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match=r"masks that no run made \(pond\)"):
            run(template, out, overwrite=overwrite)
        assert len(masks(out)) == 1


def write_label_png_in(path):
    path.parent.mkdir(parents=True)
    write_label_png(path, np.zeros((4, 4), np.uint8))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"model": 3}', "not json"])
def test_a_record_of_something_else_is_refused(template, out, content):
    out.mkdir()
    (out / "run.json").write_text(content)
    for overwrite in (False, True):
        with pytest.raises(DatasetError, match=r"run\.json"):
            run(template, out, overwrite=overwrite)
        assert (out / "run.json").read_text() == content


def test_two_runs_do_not_share_a_folder(template, out):
    with exclusive_folder(out), pytest.raises(OutputError, match="another run is writing here"):
        run(template, out)
    run(template, out, only=["again"])


@pytest.mark.parametrize(
    "place", ["Annotations/480p", "JPEGImages/480p", "Annotations/480p/../480p/x"]
)
def test_the_dataset_is_never_written_into(root, place):
    before = masks(root)
    with pytest.raises(OutputError, match="inside of a folder that is read"):
        run(root, root / place, overwrite=True)
    assert masks(root) == before


def test_linked_sequences_are_never_written_into(root, out):
    before = masks(root)
    out.mkdir()
    (out / "pond").symlink_to(root / "Annotations/480p/pond", target_is_directory=True)
    with pytest.raises(OutputError, match="pond: is inside of a folder that is read"):
        run(root, out, overwrite=True)
    # the other way round: the dataset is made of links
    elsewhere = root.parent / "elsewhere"
    elsewhere.mkdir()
    frames = root / "JPEGImages/480p/pond"
    frames.rename(elsewhere / "pond")
    frames.symlink_to(elsewhere / "pond", target_is_directory=True)
    with pytest.raises(OutputError, match="would be taken for an image"):
        run(root, elsewhere, overwrite=True)
    frames.unlink()
    (elsewhere / "pond").rename(frames)
    assert masks(root) == before


def test_the_file_of_the_settings_is_kept(root, out):
    out.mkdir()
    (out / "run.json").write_text('{"model": {"image_size": 256}}')
    with pytest.raises(OutputError, match=r"run\.json: is an input"):
        run(root, out, overwrite=True, keep=[out / "run.json"])
    assert (out / "run.json").read_text() == '{"model": {"image_size": 256}}'


def test_the_labels_of_2016_are_one_object(root, drawn, out):
    first = root / "Annotations/480p/again/00000.png"
    labels = drawn["again"][0][1]
    write_label_png(first, np.where(labels > 0, 255, 0).astype(np.uint8))
    run(root, out, year=2016, only=["again", "cross"])
    for name in ("again", "cross"):
        assert np.array_equal(read_label_png(out / name / "00000.png"), drawn[name][0][1] > 0)
        for path in out.glob(f"{name}/*.png"):
            assert set(np.unique(read_label_png(path))) <= {0, 1}


@pytest.fixture
def youtube(drawn, tmp_path):
    """A YouTube-VOS-like folder: every second frame annotated, object 2 given in frame 4 only."""
    root = tmp_path / "YouTube"
    write_sequence(root, "pond", drawn["pond"], folder="")
    for index in range(6):
        path = root / f"Annotations/pond/{index:05d}.png"
        labels = drawn["pond"][index][1]
        if index in (0, 1, 3, 5):
            path.unlink()
        elif index == 2:
            write_label_png(path, np.where(labels == 2, 0, labels).astype(np.uint8))
    return root


def test_objects_that_appear_later_are_given_when_they_do(youtube, drawn, out):
    run(youtube, out)
    labels = [read_label_png(out / f"pond/{index:05d}.png") for index in range(6)]
    assert not labels[0].any()
    assert not labels[1].any()
    assert set(np.unique(labels[2])) == {0, 1, 3}
    assert 2 not in labels[3]
    truth = drawn["pond"][4][1]
    assert np.array_equal(labels[4] == 2, truth == 2)
    assert 2 in labels[5]
    known = [
        [found.object_id for found in line.objects]
        for line in read_tracks(out / "tracks/pond.jsonl")
    ]
    assert known == [[], [], [1, 3], [1, 3], [1, 2, 3], [1, 2, 3]]


def test_later_annotations_do_not_help_with_known_objects(youtube, drawn, out, tmp_path):
    run(youtube, out)
    path = youtube / "Annotations/pond/00004.png"
    labels = drawn["pond"][4][1]
    moved = np.where(labels == 2, 2, 0).astype(np.uint8)
    moved[:5, :5] = 1
    write_label_png(path, moved)
    run(youtube, tmp_path / "other")
    assert masks(out) == masks(tmp_path / "other")


def test_the_upstream_procedure_has_no_later_objects(youtube, out):
    dataset = DavisDataset(youtube)
    upstream = load_settings("upstream", {"model.name": "lite", **SETTINGS})
    with pytest.raises(DatasetError, match="procedure 'upstream' takes one annotation"):
        run_benchmark(dataset, out, settings=upstream)


def test_all_faults_are_listed_at_once_and_nothing_is_written(root, drawn, out):
    names = ["pond", "cross", "again", "none", "blank", "text"]
    (root / "ImageSets/2017/val.txt").write_text("\n".join(names))
    shutil.rmtree(root / "JPEGImages/480p/pond")
    write_label_png(root / "Annotations/480p/cross/00000.png", np.ones((9, 16), np.uint8))
    (root / "JPEGImages/480p/again/00000.jpg").write_bytes(b"garbage")
    for name in ("blank", "text"):
        write_sequence(root, name, drawn["again"])
    write_label_png(root / "Annotations/480p/blank/00000.png", np.zeros((90, 160), np.uint8))
    (root / "Annotations/480p/text/00000.png").write_bytes(b"garbage")
    with pytest.raises(DatasetError) as caught:
        run(root, out)
    lines = str(caught.value).splitlines()
    assert lines[0] == "nothing was tracked because of 6 faults:"
    for line, said in zip(
        lines[1:],
        [
            "JPEGImages/480p/pond: no images",
            "cross/00000.png: is 16x9 pixels where the frame is 160x90",
            "again/00000.jpg: cannot be read",
            "JPEGImages/480p/none: no images",
            "blank/00000.png: has no object",
            "text/00000.png",
        ],
        strict=True,
    ):
        assert said in line
    assert not out.exists()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda root: (root / "Annotations/480p/again/00000.png").rename(
            root / "Annotations/480p/again/00077.png"), "no image with this name"),
        (lambda root: shutil.copy(root / "JPEGImages/480p/again/00000.jpg",
            root / "JPEGImages/480p/again/00000.png"), "two images have the same name"),
        (lambda root: shutil.rmtree(root / "Annotations/480p/again"), "no annotation"),
    ],
)  # fmt: skip
def test_frames_and_annotations_belong_together(root, out, spoil, said):
    for path in sorted((root / "Annotations/480p/again").glob("*.png"))[1:]:
        path.unlink()
    spoil(root)
    with pytest.raises(DatasetError, match=said):
        run(root, out, only=["again"])


def test_a_sequence_that_fails_does_not_stop_the_others(root, whole, out, template):
    image = "JPEGImages/480p/pond/00003.jpg"
    (root / image).write_bytes(b"garbage")
    with pytest.raises(DatasetError, match=r"^1 of 3 sequences .*\n.*pond/00003\.jpg"):
        run(root, out)
    record = json.loads((out / "run.json").read_text())
    assert record["status"] == "failed"
    assert list(record["sequences"]) == ["cross", "again"]
    shutil.copy(template / image, root / image)
    seen = []
    run(root, out, on_progress=seen.append)
    assert masks(out) == whole
    assert [event.state.value for event in seen].count("verified") == 2


@pytest.mark.parametrize("options", [{"workers": 0}, {"threads": 0}])
def test_numbers_are_checked(template, out, options):
    with pytest.raises(ConfigError, match="must be 1 or more"):
        run(template, out, **options)


def test_the_unsupervised_task_is_refused(template, out):
    dataset = DavisDataset(template, 2016, task="unsupervised")
    with pytest.raises(ConfigError, match="semi-supervised"):
        run_benchmark(dataset, out)


def test_processes_give_the_same_masks_and_a_killed_one_is_no_disaster(template, whole, out):
    def kill(progress):
        if progress.state == "running" and progress.done == 2:
            for process in multiprocessing.active_children()[:1]:
                process.kill()

    for _ in range(20):
        try:
            run(template, out, workers=2, on_progress=kill)
        except PersamVideoError as error:
            assert "died (out of memory?)" in str(error)
            break
        shutil.rmtree(out)  # the processes were done before this one had its turn
    else:
        pytest.fail("no process that was killed was missed")
    assert multiprocessing.active_children() == []
    seen = []
    run(template, out, workers=2, on_progress=seen.append)
    assert multiprocessing.active_children() == []
    assert masks(out) == whole
    assert seen[-1].all_done == sum(LENGTHS.values())


def test_processes_report_what_is_wrong(root, out):
    (root / "JPEGImages/480p/again/00003.jpg").write_bytes(b"garbage")
    (out / "tracks/pond.jsonl").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"pond\.jsonl: cannot be written"):
        run(root, out, workers=2)
    (out / "tracks/pond.jsonl").rmdir()
    with pytest.raises(DatasetError, match=r"again/00003\.jpg"):
        run(root, out, workers=2)


def command(root, out, *options):
    settings = [f"{key}={value}" for key, value in SETTINGS.items()]
    sets = [part for setting in settings for part in ("--set", setting)]
    program = [sys.executable, "-m", "persam_video", "davis"]
    return [*program, str(root), "--out", str(out), *sets, *options]


@pytest.mark.parametrize(("workers", "kills"), [(1, 3), (2, 1)])
def test_sigkill_at_random_moments_does_not_show_in_the_masks(template, whole, out, workers, kills):
    line = command(template, out, "--workers", str(workers))
    total = sum(LENGTHS.values())
    moments = sorted(random.Random().sample(range(1, total), kills))
    for moment in moments:
        process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while process.poll() is None and len(list(out.glob("*/*.png"))) < moment:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode in (0, -signal.SIGKILL)
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), moments
    assert masks(out) == whole, moments
    assert json.loads((out / "run.json").read_text())["status"] == "finished"


def test_sigterm_ends_a_run_in_order(root, out):
    for folder, suffix in (("JPEGImages", "jpg"), ("Annotations", "png")):
        sequence = root / folder / "480p" / "pond"
        for index in range(LENGTHS["pond"], 300):  # not over before the signal comes
            shutil.copy(sequence / f"00001.{suffix}", sequence / f"{index:05d}.{suffix}")
    line = command(root, out, "--workers", "2")
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and len(list(out.glob("*/*.png"))) < 2:
        time.sleep(0.002)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate()
    assert process.returncode == 143
    assert said.count("\n") == 1
    assert "interrupted; run the same command again" in said
    assert json.loads((out / "run.json").read_text())["status"] == "interrupted"
