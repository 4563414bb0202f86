import shutil

import numpy as np
import pytest
from PIL import Image

from persam_video.errors import AnnotationError, DatasetError, PersamVideoError
from persam_video.perseg import PerSegDataset
from persam_video.perseg.dataset import PerSegImage


def test_objects_references_and_images(perseg):
    dataset = PerSegDataset(perseg)
    assert dataset.names == ("blue", "gold_koi")
    assert len(dataset) == 2
    for shown in dataset:
        (reference,) = shown.references
        assert reference.image == perseg / "Images" / shown.name / "00.jpg"
        assert [pair.image.name for pair in shown.tests] == ["01.jpg", "02.jpg"]
        assert [pair.mask.name for pair in shown.tests] == ["01.png", "02.png"]
        rgb, mask = reference.read()
        assert rgb.shape == (288, 384, 3)
        assert mask.dtype == np.bool_
        assert 1000 < mask.sum() < 50000


def test_several_references(perseg):
    for shown in PerSegDataset(perseg, references=["02", "00"]):
        assert [pair.image.stem for pair in shown.references] == ["02", "00"]
        assert [pair.image.stem for pair in shown.tests] == ["01"]
    with pytest.raises(DatasetError, match=r"no reference photo 07\.jpg"):
        list(PerSegDataset(perseg, references=["00", "07"]))
    with pytest.raises(DatasetError, match="no image to segment"):
        list(PerSegDataset(perseg, references=["00", "01", "02"]))


def test_some_objects(perseg):
    assert PerSegDataset(perseg, only=["gold_koi"]).names == ("gold_koi",)
    assert PerSegDataset(perseg, skip=["gold_koi"]).names == ("blue",)


@pytest.mark.parametrize("name", ["../x", "..", ".", "", "a/b", "a\\b", "/etc", "C:", "a\0"])
@pytest.mark.parametrize("option", ["only", "skip"])
def test_a_name_may_not_leave_the_folder(perseg, name, option):
    with pytest.raises(DatasetError, match="not the name") as raised:
        PerSegDataset(perseg, **{option: [name]})
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("mode", "values", "expected"),
    [
        ("RGB", [(128, 0, 0), (0, 0, 0), (0, 0, 1)], [True, False, True]),
        ("RGBA", [(0, 0, 0, 255), (9, 0, 0, 255), (0, 0, 0, 0)], [False, True, False]),
        ("LA", [(0, 255), (1, 255), (0, 0)], [False, True, False]),
        ("L", [0, 1, 255], [False, True, True]),
        ("P", [0, 1, 2], [False, True, True]),
        ("1", [0, 255, 0], [False, True, False]),
    ],
)
def test_any_channel_above_0_is_the_object(tmp_path, mode, values, expected):
    image = Image.new(mode, (3, 1))
    if mode == "P":
        image.putpalette([0, 0, 0] * 256)  # the indices count, whatever their colours
    for x, value in enumerate(values):
        image.putpixel((x, 0), value)
    image.save(tmp_path / "00.png")
    Image.new("RGB", (3, 1)).save(tmp_path / "00.jpg")
    _, mask = PerSegImage(tmp_path / "00.jpg", tmp_path / "00.png").read()
    assert mask.tolist() == [expected]


def _empty(root):
    shutil.rmtree(root / "Images")
    (root / "Images").mkdir()


FAULTS = {
    "no folder": (lambda root: shutil.rmtree(root / "Images"), "Images and Annotations"),
    "no object": (_empty, "no object"),
    "no reference": (lambda root: (root / "Images/blue/00.jpg").unlink(), "reference photo 00.jpg"),
    "a mask is missing": (lambda root: (root / "Annotations/blue/01.png").unlink(), "01.png"),
    "nothing to segment": (
        lambda root: [(root / f"Images/blue/0{n}.jpg").unlink() for n in (1, 2)],
        "no image to segment",
    ),
}


@pytest.mark.parametrize("fault", FAULTS, ids=list(FAULTS))
def test_a_faulty_folder(make_perseg, fault):
    root = make_perseg()
    spoil, says = FAULTS[fault]
    spoil(root)
    with pytest.raises(DatasetError, match=says) as raised:
        list(PerSegDataset(root))
    assert "\n" not in str(raised.value)


def test_unknown_objects(perseg):
    with pytest.raises(DatasetError, match="no object red"):
        PerSegDataset(perseg, only=["red"])
    with pytest.raises(DatasetError, match="no object red"):
        PerSegDataset(perseg).object("red")


def test_faulty_files(make_perseg):
    root = make_perseg()
    pair = PerSegDataset(root).object("blue").references[0]
    Image.new("RGB", (100, 50)).save(pair.mask)
    with pytest.raises(DatasetError, match="100x50"):
        pair.read()
    pair.mask.write_text("no image")
    with pytest.raises(AnnotationError):
        pair.read()
    pair.image.write_text("no image")
    with pytest.raises(PersamVideoError):
        pair.read()
