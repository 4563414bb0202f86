import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from persam_video.davis.dataset import DavisDataset, Task
from persam_video.errors import DatasetError

BLANK = np.zeros((4, 5), np.uint8)


def add_images(root: Path, folder: str, count: int) -> None:
    (root / folder).mkdir(parents=True)
    for position in range(count):
        Image.fromarray(np.zeros((4, 5, 3), np.uint8)).save(root / folder / f"{position:05d}.jpg")


def test_a_2017_set_lists_its_files_in_order_of_the_frames(written_set):
    written_set.list_sequences("dog\n\ncat\r\ndog\n")
    written_set.add("dog", [BLANK] * 3)
    written_set.add("cat", [BLANK])
    add_images(written_set.root, "JPEGImages/480p/dog", 4)
    (written_set.root / "Annotations/480p/dog/._00000.png").write_text("left by macOS")
    dataset = DavisDataset(written_set.root)
    assert dataset.names == ("dog", "cat")
    assert len(dataset) == 2
    assert [sequence.name for sequence in dataset] == ["dog", "cat"]
    dog = dataset.sequence("dog")
    assert dog.frames == ("00000", "00001", "00002")
    assert dog.first_annotation == written_set.annotation("dog", 0)
    assert [path.name for path in dog.images] == [f"{i:05d}.jpg" for i in range(4)]
    assert dataset.sequence("cat").images == ()


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ("2016/val.txt", "dog\ncat\n"),
        ("2016/val.txt", "\ufeffdog\ncat"),
        ("480p/val.txt", "dog\ncat\n"),
        (
            "480p/val.txt",
            "/JPEGImages/480p/dog/00000.jpg /Annotations/480p/dog/00000.png \n"
            "/JPEGImages/480p/dog/00001.jpg /Annotations/480p/dog/00001.png \n"
            "/JPEGImages/480p/cat/00000.jpg /Annotations/480p/cat/00000.png \n",
        ),
        ("2016/val.txt", "JPEGImages/480p/dog/00000.jpg a\nJPEGImages/480p/cat/00000.jpg b"),
    ],
)
def test_a_2016_list_names_sequences_or_frames(written_set, where, text):
    written_set.list_sequences(text, where)
    written_set.add("dog", [BLANK])
    written_set.add("cat", [BLANK])
    dataset = DavisDataset(written_set.root, 2016)
    assert dataset.names == ("dog", "cat")
    assert dataset.single_object


@pytest.mark.parametrize(
    ("year", "split", "task", "resolution", "list_name", "folder"),
    [
        (2017, "train", "semi-supervised", "480p", "2017/train.txt", "Annotations/480p"),
        (2017, "val", "semi-supervised", "Full-Resolution", "2017/val.txt",
         "Annotations/Full-Resolution"),
        (2017, "val", "unsupervised", "480p", "2017/val.txt", "Annotations_unsupervised/480p"),
        (2017, "test-dev", "unsupervised", "480p", "2019/test-dev.txt",
         "Annotations_unsupervised/480p"),
        (2019, "test-dev", "unsupervised", "480p", "2019/test-dev.txt",
         "Annotations_unsupervised/480p"),
        (2017, "test-dev", "semi-supervised", "480p", "2017/test-dev.txt", "Annotations/480p"),
        (2016, "val", "unsupervised", "480p", "2016/val.txt", "Annotations/480p"),
        (2016, "val", "semi-supervised", "1080p", "1080p/val.txt", "Annotations/1080p"),
    ],
)  # fmt: skip
def test_each_set_has_its_folders(written_set, year, split, task, resolution, list_name, folder):
    written_set.list_sequences("dog\n", list_name)
    written_set.add("dog", [BLANK], folder=folder)
    dataset = DavisDataset(written_set.root, year, split, task=task, resolution=resolution)
    assert dataset.task is Task(task)
    assert dataset.sequence("dog").annotations == (written_set.annotation("dog", 0, folder),)
    assert not dataset.sparse


def test_youtube_vos_like_folders_need_no_list(written_set):
    for name in ("b2", "a1"):
        written_set.add(name, [BLANK], folder="Annotations")
    add_images(written_set.root, "JPEGImages/a1", 6)
    dataset = DavisDataset(written_set.root)
    assert dataset.sparse
    assert dataset.names == ("a1", "b2")
    assert len(dataset.sequence("a1").images) == 6
    written_set.list_sequences("b2\n", "val.txt")
    assert DavisDataset(written_set.root).names == ("b2",)


def test_some_sequences_can_be_chosen(written_set):
    written_set.list_sequences("dog\ncat\n")
    written_set.add("dog", [BLANK])
    assert DavisDataset(written_set.root, only=["cat"]).names == ("cat",)
    with pytest.raises(DatasetError, match="val has no sequence cow, hen"):
        DavisDataset(written_set.root, only=["cow", "dog", "hen"])
    with pytest.raises(DatasetError, match="val has no sequence cow"):
        DavisDataset(written_set.root).sequence("cow")


def test_a_sequence_without_annotations_has_no_first_one(written_set):
    written_set.list_sequences("dog\ncat\n")
    written_set.add("dog", [BLANK])
    cat = DavisDataset(written_set.root).sequence("cat")
    assert cat.annotations == ()
    with pytest.raises(DatasetError, match="cat: no annotation"):
        _ = cat.first_annotation


@pytest.mark.parametrize(
    "name", ["..", ".", "../secret", "a/b", "/etc", "a\\b", "C:dog", "/JPEGImages/480p/../x.jpg"]
)
def test_a_list_cannot_lead_out_of_the_dataset(written_set, name):
    path = written_set.list_sequences(f"dog\n{name}\n")
    written_set.add("dog", [BLANK])
    with pytest.raises(DatasetError, match="is not the name of a folder") as caught:
        DavisDataset(written_set.root)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    "arguments", [{"split": "../val"}, {"resolution": ".."}, {"only": ["a/b"]}]
)
def test_arguments_cannot_lead_out_of_the_dataset(written_set, arguments):
    with pytest.raises(DatasetError, match="is not the name of a folder"):
        DavisDataset(written_set.root, **arguments)


def test_what_is_missing_is_named(written_set):
    with pytest.raises(DatasetError, match="there is no DAVIS 2018; choose 2016, 2017 or 2019"):
        DavisDataset(written_set.root, 2018)
    with pytest.raises(DatasetError, match="Annotations/480p: no such folder; give the folder"):
        DavisDataset(written_set.root)
    written_set.add("dog", [BLANK])
    with pytest.raises(DatasetError, match=r"2017/val.txt: no such file; it lists the sequences"):
        DavisDataset(written_set.root)
    path = written_set.list_sequences("\n \n")
    with pytest.raises(DatasetError, match=r"val.txt: names no sequence"):
        DavisDataset(written_set.root)
    path.write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(DatasetError, match=r"val.txt: not a text file"):
        DavisDataset(written_set.root)
    with pytest.raises(DatasetError, match="Annotations/720p: no such folder"):
        DavisDataset(written_set.root, resolution="720p")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_folders_without_permission_are_named(written_set):
    written_set.list_sequences("dog\n")
    written_set.add("dog", [BLANK])
    folder = written_set.annotation("dog", 0).parent
    folder.chmod(0)
    try:
        with pytest.raises(DatasetError, match=r"dog: cannot be read \(Permission denied\)"):
            DavisDataset(written_set.root).sequence("dog")
    finally:
        folder.chmod(0o700)


@pytest.mark.parametrize(
    ("lists", "asked", "says"),
    [
        (["2016/val.txt"], {}, "there is 2016/val.txt: pass --year 2016"),
        (["480p/val.txt"], {}, "there is 480p/val.txt: pass --year 2016"),
        (["2017/val.txt"], {"year": 2016}, "there is 2017/val.txt: pass --year 2017"),
        (["2017/train.txt"], {}, "there is train: pass --split train"),
        (["2017/test-dev.txt", "2017/train.txt"], {}, "there is test-dev, train: pass --split"),
        (["2016/train.txt"], {}, "there is 2016: pass --year 2016"),
        ([], {}, "lists the sequences of val$"),
    ],
)
def test_the_list_that_was_meant_is_named(written_set, lists, asked, says):
    written_set.add("dog", [BLANK])
    for name in lists:
        written_set.list_sequences("dog\n", name)
    with pytest.raises(DatasetError, match=says):
        DavisDataset(written_set.root, **asked)


@pytest.mark.parametrize(
    ("folder", "asked", "says"),
    [
        ("Annotations/Full-Resolution/dog", {}, "pass --resolution Full-Resolution"),
        ("Annotations/480p/dog", {"task": "unsupervised"}, "pass --task semi-supervised"),
        ("Annotations_unsupervised/480p/dog", {}, "pass --task unsupervised"),
        ("DAVIS/Annotations/480p/dog", {}, "give .*DAVIS/DAVIS, which holds Annotations"),
    ],
)
def test_the_folder_of_annotations_that_was_meant_is_named(written_set, folder, asked, says):
    (written_set.root / folder).mkdir(parents=True)
    with pytest.raises(DatasetError, match=says):
        DavisDataset(written_set.root, **asked)


def test_the_folder_above_is_named_when_one_below_is_given(written_set):
    written_set.add("dog", [BLANK])
    with pytest.raises(DatasetError, match=r"give .*DAVIS, which holds Annotations"):
        DavisDataset(written_set.root / "Annotations")


def test_the_split_of_a_sequence_that_is_not_in_this_one_is_named(written_set):
    written_set.add("dog", [BLANK])
    written_set.list_sequences("dog\n")
    written_set.list_sequences("cat\n", "2017/train.txt")
    with pytest.raises(DatasetError, match="val has no sequence cat; train has cat: pass --split"):
        DavisDataset(written_set.root, only=["cat"])
