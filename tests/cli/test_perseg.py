"""``persam-video perseg``: the program on a miniature of the dataset."""

import json

import numpy as np
import pytest
from PIL import Image

from persam_video.benchmark.miniature import miniature_perseg
from persam_video.synthetic import Kind, SyntheticClip, SyntheticObject, Waypoint

FAST = ("--set", "model.image_size=256", "--device", "cpu")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two objects with a reference and one image each; masks are grey here."""
    root = tmp_path_factory.mktemp("data")
    kinds = {"ball": (Kind.BALL, (0.1, 0.3, 0.7)), "leaf": (Kind.LEAF, (0.75, 0.13, 0.1))}
    for name, (kind, tint) in kinds.items():
        for number in range(2):
            path = (Waypoint(0, 0.4 + 0.2 * number, 0.5, 30 * number),)
            clip = SyntheticClip(
                (SyntheticObject(1, kind, tint, 0.5, path),), 320, 256, length=1, seed=number
            )
            rgb, labels = next(clip.frames())
            for folder in ("Images", "Annotations"):
                (root / folder / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(rgb).save(root / "Images" / name / f"{number:02}.jpg")
            mask = labels * np.uint8(255)
            Image.fromarray(mask).save(root / "Annotations" / name / f"{number:02}.png")
    return root


@pytest.mark.parametrize("method", ["persam", "persam-f"])
def test_scores_by_object_and_overall(run, root, tmp_path, method):
    file = tmp_path / "scores.json"
    ran = run(
        "perseg", root, "--method", method, "--scores", file, "--set", "weights.steps=20", *FAST
    )
    assert (ran.status, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0] == f"PerSeg, {method}"
    assert lines[1].split("  ")[0] == "Object"
    figures = json.loads(file.read_text())
    for line, name in zip(lines[2:], ("ball", "leaf"), strict=False):
        shown, iou, boundary = line.split()
        assert shown == name
        assert iou == f"{figures['objects'][name]['IoU']:.4f}"
        assert boundary == f"{figures['objects'][name]['boundary IoU']:.4f}"
    assert lines[4].split() == [
        "mean",
        f"{figures['mIoU']:.4f}",
        f"{figures['boundary IoU']:.4f}",
    ]
    assert len(lines) == 5
    again = run("perseg", root, "--scores", file, *FAST)
    assert again.status == 2
    assert "scores.json already exists" in again.err


def test_json_holds_what_the_file_holds(run, root, tmp_path):
    ran = run("perseg", root, "--json", "--scores", tmp_path / "scores.json", *FAST)
    assert (ran.status, ran.err) == (0, "")
    assert json.loads(ran.out) == json.loads((tmp_path / "scores.json").read_text())


def test_a_page_of_several_references(run, tmp_path):
    miniature = miniature_perseg(tmp_path / "data")
    page = tmp_path / "page.html"
    given = ("--reference", "00", "--reference", "02", "--report", page)
    ran = run(
        "perseg", miniature, "--method", "persam-f", "--set", "weights.steps=20", *given, *FAST
    )
    assert (ran.status, ran.err) == (0, "")
    text = page.read_text(encoding="utf-8")
    assert "reference photos 00, 02" in text
    for name in ("crossing", "pond"):
        assert f">{name}</a>" in text
        assert f"errors of image 01 of {name}" in text
        assert f"image 02 of {name}" not in text
    figure = ran.out.splitlines()[-1].split()[1]
    assert f"{float(figure):.3f}" in text
    assert "http" not in text.replace("http-equiv", "")


def test_one_object(run, root):
    ran = run("perseg", root, "--object", "leaf", *FAST)
    assert ran.status == 0
    assert "leaf" in ran.out
    assert "ball" not in ran.out
    assert run("perseg", root, "--skip", "ball", *FAST).out == ran.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("missing",), "Images"),
        (("ROOT", "--object", "../leaf"), "not the name"),
        (("ROOT", "--object", "cup"), "cup"),
        (("ROOT", "--skip", "leaf", "--skip", "ball"), "no object is left"),
        (("ROOT", "--config", "upstream"), "upstream"),
        (("ROOT", "--model", "vit_x"), "vit_t"),
    ],
)
def test_one_clear_line(run, root, arguments, says):
    ran = run("perseg", *(root if argument == "ROOT" else argument for argument in arguments))
    assert ran.status == 2
    assert ran.out == ""
    lines = ran.err.strip().splitlines()
    assert len(lines) == 1, ran.err
    assert says in lines[0]


@pytest.mark.parametrize("command", ["segment", "perseg"])
def test_help_shows_an_example(run, command):
    ran = run(command, "--help")
    assert ran.status == 0
    assert f"persam-video {command} " in ran.out
