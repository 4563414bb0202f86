"""Results in the layouts that trackers leave, and under names that are not the annotations'."""

import json
import os
import shutil

import numpy as np
import pytest

from persam_video.davis.dataset import DavisDataset
from persam_video.davis.evaluation import evaluate
from persam_video.davis.results import check_names, find_masks, recorded_sequences
from persam_video.errors import DatasetError
from tests.conftest import save_labels


@pytest.fixture
def whole(written_set, boxes):
    """Give a set of two sequences whose object moves, with perfect results."""
    moving = [boxes((1, 2 + x, 4, 12 + x, 12)) for x in range(6)]
    written_set.list_sequences("dog\ncat\n")
    for name in ("dog", "cat"):
        written_set.add(name, moving, moving)
    return written_set


@pytest.mark.parametrize(
    "layout",
    [
        "{}",
        "{}/masks",
        "{}/{}",
        "480p/{}",
        "masks/{}",
        "Annotations/480p/{}",
        "Annotations/{}",
    ],
)
def test_the_layouts_that_trackers_leave_are_found(whole, tmp_path, layout):
    results = tmp_path / "others"
    for name in ("dog", "cat"):
        shutil.copytree(whole.results / name, results / layout.format(name, name))
        save_labels(results / name / "reference.png", np.ones((24, 32), np.uint8))
    dataset = DavisDataset(whole.root)
    assert find_masks(results, "dog", dataset) == results / layout.format("dog", "dog")
    assert evaluate(results, dataset).mean == 1.0


@pytest.mark.parametrize("layout", ["masks", "."])
def test_the_results_of_one_video_need_no_folder_of_its_name(whole, tmp_path, layout):
    shutil.copytree(whole.results / "dog", tmp_path / "run" / layout)
    assert evaluate(tmp_path / "run", DavisDataset(whole.root, only=["dog"])).mean == 1.0
    with pytest.raises(DatasetError, match="holds none of the 2 sequences of val"):
        evaluate(tmp_path / "run", DavisDataset(whole.root))


def test_two_folders_to_choose_from_are_a_fault(whole):
    shutil.copytree(whole.results / "dog", whole.results / "480p" / "dog")
    with pytest.raises(DatasetError, match="both hold masks of dog; move one away"):
        evaluate(whole.results, DavisDataset(whole.root))


def rename(folder, change):
    """Rename all masks of a folder, by way of other names."""
    paths = sorted(folder.glob("*.png"))
    for number, path in enumerate(paths):
        path.rename(folder / f"moved.{number}")
    for number, path in enumerate(paths):
        if (name := change(int(path.stem))) is not None:
            (folder / f"moved.{number}").rename(folder / name)
        else:
            (folder / f"moved.{number}").unlink()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda n: f"{n + 1:05d}.png", r"00001.png to 00006.png \(6\) .*shifted by 1; number them"),
        (lambda n: f"{n + 100:05d}.png", "shifted by 100; number them from 00000"),
        (lambda n: f"{n:05d}.png" if n else None, None),  # the first one does not count
        (lambda n: f"{n + 2:05d}.png" if n else None, "shifted by 2"),
        (lambda n: f"{n}.png", "the numbers are written differently; name them as"),
        (lambda n: f"frame_{n:06d}.png", "the numbers are written differently"),
        (lambda n: f"{n * 5:05d}.png", "name each as its annotation is"),
        (lambda n: f"{n + 3:05d}.png" if n % 2 else None, "is it another video"),
        (lambda n: f"{n:05d}.jpg", r"holds 00000.jpg, 00001.jpg, 00002.jpg and 3 more; masks must"),
        (lambda n: f"{n:05d}.PNG", "masks must be named FRAME.png"),
    ],
)
def test_names_of_other_frames_are_told_and_nothing_is_scored(whole, change, says):
    rename(whole.results / "dog", change)
    if says is None:
        found = evaluate(whole.results, DavisDataset(whole.root))
        assert found.warnings == ("1 mask missing, of frames that do not count (dog: 00000.png)",)
        return
    with pytest.raises(DatasetError, match=says) as caught:
        evaluate(whole.results, DavisDataset(whole.root))
    assert len(str(caught.value).splitlines()) == 2  # the headline, and a line for the sequence


def test_missing_masks_are_named_one_by_one(whole):
    for frame in (2, 3):
        whole.result("dog", frame).unlink()
    with pytest.raises(DatasetError) as caught:
        evaluate(whole.results, DavisDataset(whole.root))
    assert str(caught.value).splitlines()[1:] == [
        f"{whole.result('dog', frame)}: no such file" for frame in (2, 3)
    ]


def test_masks_too_many_are_told_and_do_not_count(whole):
    shutil.copy(whole.result("cat", 5), whole.result("cat", 6))
    found = evaluate(whole.results, DavisDataset(whole.root))
    assert found.mean == 1.0
    assert found.warnings == ("1 mask of no frame, not scored (cat: 00006.png)",)


def test_masks_of_frames_without_annotation_are_nothing_odd(whole):
    names = [f"{number:05d}" for number in range(6)]
    sparse = names[::5]
    check = check_names(whole.results / "dog", sparse, sparse, names)
    assert (check.fault, check.extra, check.unsaved) == (None, (), ())
    assert check_names(whole.results / "dog", sparse, sparse).extra == tuple(names[1:5])


def test_results_of_another_split_are_told(whole):
    whole.list_sequences("bear\nduck\n", "2017/train.txt")
    dataset = DavisDataset(whole.root)
    for old, new in (("dog", "bear"), ("cat", "duck")):
        (whole.results / old).rename(whole.results / new)
    with pytest.raises(DatasetError, match=r"it holds bear, duck; pass --split train"):
        evaluate(whole.results, dataset)


def record(results, sequences, **changed):
    facts = {
        "model": {"name": "lite", "sha256": "0"},
        "settings": {},
        "source": {"year": 2017, "split": "val"},
        "status": "finished",
        "sequences": {name: {} for name in sequences},
    }
    (results / "run.json").write_text(json.dumps({**facts, **changed}))


def test_the_sequences_of_a_partial_run_are_read_from_its_record(whole):
    dataset = DavisDataset(whole.root)
    assert recorded_sequences(whole.results, dataset) == ()
    record(whole.results, ["cat"])
    assert recorded_sequences(whole.results, dataset) == ("cat",)
    assert dataset.subset(("cat",)).names == ("cat",)
    record(whole.results, ["cat", "dog"])
    assert recorded_sequences(whole.results, dataset) == ()
    record(whole.results, ["cat"], status="interrupted")
    with pytest.raises(DatasetError, match="is interrupted, 1 of its sequences are finished; run"):
        recorded_sequences(whole.results, dataset)
    record(whole.results, ["bear"], source={"year": 2016, "split": "val"})
    with pytest.raises(DatasetError, match="holds results of year 2016; pass --year 2016"):
        recorded_sequences(whole.results, dataset)
    (whole.results / "run.json").write_text('{"name": "of another program"}')
    assert recorded_sequences(whole.results, dataset) == ()


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no links")
def test_the_official_code_gets_its_own_layout(whole, tmp_path):
    from persam_video.davis.official import plain_layout

    results = tmp_path / "batch"
    for name in ("dog", "cat"):
        shutil.copytree(whole.results / name, results / name / "masks")
    dataset = DavisDataset(whole.root)
    (tmp_path / "scratch").mkdir()
    plain = plain_layout(results, dataset, tmp_path / "scratch")
    assert evaluate(plain, dataset).mean == 1.0
    assert find_masks(plain, "dog", dataset) == plain / "dog"
    assert plain_layout(whole.results, dataset, tmp_path) == whole.results
