"""``persam-video segment``: the program, from photos to files."""

import json
import re

import cv2
import numpy as np
import pytest
from PIL import Image

from persam_video.masks.png import read_label_png, write_label_png
from persam_video.synthetic import Kind, SyntheticClip, SyntheticObject, Waypoint, demo

FAST = ("--set", "model.image_size=256", "--device", "cpu")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Two frames of the demo (ref.jpg, ref.png; later.jpg, later_truth.png)."""
    folder = tmp_path_factory.mktemp("photos")
    for number, (rgb, labels) in enumerate(demo().frames()):
        if number == 0:
            Image.fromarray(rgb).save(folder / "ref.jpg", quality=95)
            write_label_png(folder / "ref.png", labels)
        if number == 6:
            Image.fromarray(rgb).save(folder / "later.jpg", quality=95)
            write_label_png(folder / "later_truth.png", labels)
            break
    return folder


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--method", "persam-f", "--set", "weights.steps=20"),
        ("--ref", "EXTRA", "--overlap", "0.8"),
        ("--config", "persam"),
    ],
    ids=lambda options: " ".join(options[:2]) or "plain",
)
def test_objects_are_found_under_their_ids(run, photos, tmp_path, options):
    extra = f"{photos / 'later.jpg'}:{photos / 'later_truth.png'}"
    options = [extra if option == "EXTRA" else option for option in options]
    ran = run(
        "segment",
        photos / "ref.jpg",
        photos / "ref.png",
        photos / "later.jpg",
        "--out",
        tmp_path / "out",
        *FAST,
        *options,
    )
    assert (ran.status, ran.err) == (0, "")
    # the photo that is searched may be a reference photo itself, and is then all alike
    assert re.search(r"later\.jpg: 1 \((0\.\d\d|1\.00)\)", ran.out)
    assert str(tmp_path / "out" / "segments.json") in ran.out
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["later.overlay.png", "later.png", "segments.json"]
    labels, truth = (
        read_label_png(path)
        for path in (tmp_path / "out" / "later.png", photos / "later_truth.png")
    )
    for object_id in (1, 2):
        shared = np.count_nonzero((labels == object_id) & (truth == object_id))
        assert shared / np.count_nonzero((labels == object_id) | (truth == object_id)) > 0.7


def test_json_tells_files_and_finds(run, photos, tmp_path):
    asked = ("segment", photos / "ref.jpg", photos / "ref.png", photos / "later.jpg")
    ran = run(*asked, "--out", tmp_path / "out", "--json", *FAST)
    assert (ran.status, ran.err) == (0, "")
    (image,) = json.loads(ran.out)["images"]
    assert image["mask"] == str(tmp_path / "out" / "later.png")
    assert [segment["label"] for segment in image["segments"]][:2] == [1, 2]
    assert all(len(segment["box"]) == 4 for segment in image["segments"])


def test_up_to_so_many_of_a_category(run, tmp_path):
    def draw(name, *places):
        balls = tuple(
            SyntheticObject(n, Kind.BALL, (0.12, 0.3, 0.72), 0.35, (Waypoint(0, x, y),))
            for n, (x, y) in enumerate(places, start=1)
        )
        rgb, labels = next(SyntheticClip(balls, width=480, height=320, length=1).frames())
        Image.fromarray(rgb).save(tmp_path / f"{name}.png")
        return labels

    write_label_png(tmp_path / "mask.png", draw("one", (0.5, 0.5)))
    draw("three", (0.2, 0.3), (0.75, 0.3), (0.5, 0.75))
    files = (tmp_path / "one.png", tmp_path / "mask.png", tmp_path / "three.png")
    ran = run("segment", *files, "--out", tmp_path / "out", "--max-objects", "5", "-q", *FAST)
    assert (ran.status, ran.out, ran.err) == (0, "", "")
    record = json.loads((tmp_path / "out" / "segments.json").read_text())
    assert [segment["label"] for segment in record["images"][0]["segments"]] == [1, 2, 3]


def test_nothing_found_is_said(run, photos, tmp_path):
    files = (photos / "ref.jpg", photos / "ref.png", photos / "later.jpg")
    ran = run("segment", *files, "--out", tmp_path / "out", "--min-score", "1", *FAST)
    assert ran.status == 0
    assert "nothing found" in ran.out
    assert not read_label_png(tmp_path / "out" / "later.png").any()
    record = json.loads((tmp_path / "out" / "segments.json").read_text())
    assert record["images"][0]["segments"] == []


CASES = {
    "no such photo": (("ref.jpg", "ref.png", "missing.jpg"), "missing.jpg"),
    "no such mask": (("ref.jpg", "missing.png", "later.jpg"), "missing.png"),
    "photo as mask": (("ref.jpg", "later.jpg", "later.jpg"), "later.jpg"),
    "mask of another size": (("ref.jpg", "small.png", "later.jpg"), "320x180"),
    "text as photo": (("ref.jpg", "ref.png", "text.jpg"), "text.jpg"),
    "folder without photos": (("ref.jpg", "ref.png", "empty"), "no images"),
    "reference without mask": (("ref.jpg", "ref.png", "later.jpg", "--ref", "ref.jpg"), "--ref"),
    "no such reference": (("ref.jpg", "ref.png", "later.jpg", "--ref", "a:b"), "IMAGE:MASK"),
    "no objects at most": (("ref.jpg", "ref.png", "later.jpg", "--max-objects", "0"), "1 to 254"),
    "overlap out of range": (("ref.jpg", "ref.png", "later.jpg", "--overlap", "2"), "overlap"),
    "for videos": (("ref.jpg", "ref.png", "later.jpg", "--config", "upstream"), "upstream"),
    "output is a file": (("ref.jpg", "ref.png", "later.jpg", "--out", "text.jpg"), "text.jpg"),
    "unknown setting": (("ref.jpg", "ref.png", "later.jpg", "--set", "x=1"), "'x'"),
}


@pytest.mark.parametrize("case", CASES, ids=list(CASES))
def test_one_clear_line(run, photos, tmp_path, monkeypatch, case):
    arguments, says = CASES[case]
    write_label_png(photos / "small.png", read_label_png(photos / "ref.png")[::2, ::2])
    (photos / "text.jpg").write_text("this is not a photo")
    (photos / "empty").mkdir(exist_ok=True)
    before = sorted(path.name for path in photos.iterdir())
    monkeypatch.chdir(photos)
    given = [*arguments, "--set", "model.image_size=256"]
    if "--out" not in given:
        given += ["--out", tmp_path / "out"]
    ran = run("segment", *given)
    assert ran.status == 2
    assert ran.out == ""
    lines = ran.err.strip().splitlines()
    assert len(lines) == 1, ran.err
    assert lines[0].startswith("persam-video: error: ")
    assert says in lines[0]
    assert not (tmp_path / "out").exists()
    assert sorted(path.name for path in photos.iterdir()) == before


def test_labels_of_a_labelling_program_name_what_is_found(run, photos, tmp_path):
    labels = read_label_png(photos / "ref.png")
    outline = [[int(x), int(y)] for y, x in np.argwhere(labels == 1)]
    shape = cv2.convexHull(np.array(outline))[:, 0].tolist()
    height, width = labels.shape
    document = {
        "version": "5.0.0",
        "flags": {},
        "shapes": [{"label": "fish", "points": shape, "shape_type": "polygon", "group_id": 4}],
        "imagePath": "ref.jpg",
        "imageHeight": height,
        "imageWidth": width,
    }
    (tmp_path / "ref.json").write_text(json.dumps(document))
    files = (photos / "ref.jpg", tmp_path / "ref.json", photos / "later.jpg")
    extra = f"{photos / 'ref.jpg'}:{tmp_path / 'ref.json'}#ref.jpg"
    ran = run("segment", *files, "--ref", extra, "--out", tmp_path / "out", *FAST)
    assert (ran.status, ran.err) == (0, "")
    assert "later.jpg: fish (0." in ran.out
    record = json.loads((tmp_path / "out" / "segments.json").read_text())
    assert [(s["label"], s["name"]) for s in record["images"][0]["segments"]] == [(4, "fish")]


def test_a_reference_s_name_may_hold_a_colon(run, photos, tmp_path):
    for name in ("ref.jpg", "ref.png"):
        (tmp_path / f"1:{name}").write_bytes((photos / name).read_bytes())
    files = (photos / "ref.jpg", photos / "ref.png", photos / "later.jpg")
    extra = f"{tmp_path / '1:ref.jpg'}:{tmp_path / '1:ref.png'}"
    ran = run("segment", *files, "--ref", extra, "--out", tmp_path / "out", *FAST)
    assert ran.status == 0
    record = json.loads((tmp_path / "out" / "segments.json").read_text())
    assert record["references"][1]["mask"] == str(tmp_path / "1:ref.png")
