"""Boxes and points through the program."""

import json

import numpy as np
import pytest
from PIL import Image

from persam_video.masks.boxes import boxes_of_labels
from persam_video.masks.png import read_label_png

FAST = ("--set", "model.image_size=256", "--device", "cpu")


@pytest.fixture(scope="module")
def koi(clip):
    """The koi's box, as the program takes it."""
    box = boxes_of_labels(read_label_png(clip.first_mask), [1])[1]
    return f"4:{','.join(map(str, box))}"


def test_a_video_is_tracked_from_a_box(run, clip, koi, tmp_path):
    done = run("track", clip.video, "--box", koi, "--out", tmp_path / "out", "--stop", 3, *FAST)
    assert done.status == 0, done.err
    first = read_label_png(tmp_path / "out/masks/00000.png")
    assert set(np.unique(first)) == {0, 4}
    assert 4 in read_label_png(tmp_path / "out/masks/00002.png")
    with Image.open(tmp_path / "out/reference.png") as picture:
        assert picture.size == (640, 360)
    record = json.loads((tmp_path / "out/run.json").read_text())
    assert list(record["references"]) == ["0"]


def test_a_box_goes_with_the_masks_of_other_objects(run, clip, koi, tmp_path):
    """Here on top of one, which then has what is left."""
    done = run(
        "track", clip.video, "--mask", clip.first_mask, "--box", koi, "--out", tmp_path / "out",
        "--stop", 2, *FAST,
    )  # fmt: skip
    assert done.status == 0, done.err
    assert {2, 3, 4} <= set(np.unique(read_label_png(tmp_path / "out/masks/00000.png")))


def test_prompt_makes_the_mask_that_track_takes(run, clip, koi, tmp_path):
    mask, picture = tmp_path / "mask.png", tmp_path / "look.png"
    made = run(
        "prompt", clip.video, "--box", koi, "--frame", 2, "--out", mask, "--picture", picture
    )
    assert made.status == 0, made.err
    assert set(np.unique(read_label_png(mask))) == {0, 4}
    assert picture.exists()
    out = tmp_path / "out"
    done = run("track", clip.video, "--mask", f"2={mask}", "--out", out, "--stop", 4, *FAST)
    assert done.status == 0, done.err
    assert not read_label_png(out / "masks/00001.png").any()
    assert np.array_equal(read_label_png(out / "masks/00002.png"), read_label_png(mask))


def test_prompt_makes_a_mask_of_an_annotation_file(run, clip, koi, tmp_path):
    points = [[10, 10], [40, 10], [40, 40], [10, 40]]
    shape = {"label": "buoy", "points": points, "shape_type": "polygon"}
    document = {"imagePath": "2.png", "imageHeight": 360, "imageWidth": 640, "shapes": [shape]}
    (tmp_path / "marks.json").write_text(json.dumps(document))
    arguments = ("prompt", clip.video, "--mask", tmp_path / "marks.json", "--frame", 2, "--json")
    made = run(*arguments, "--out", tmp_path / "mask.png", "--picture", tmp_path / "look.png")
    assert made.status == 0, made.err
    assert json.loads(made.out)["names"] == {"1": "buoy"}
    assert read_label_png(tmp_path / "mask.png")[10:40, 10:40].all()
    both = run(*arguments, "--box", koi, "--out", tmp_path / "both.png")
    assert both.status == 0, both.err
    assert set(np.unique(read_label_png(tmp_path / "both.png"))) == {0, 1, 4}


WRONG = {
    "no prompt at all": ((), "--mask"),
    "no id": (("--box", "1,2,3,4"), "write ID:x0,y0,x1,y1"),
    "three numbers": (("--box", "1:1,2,3"), "as 1:10,20,110,220"),
    "two boxes of one object": (("--box", "1:1,2,3,4", "--box", "1:1,2,3,5"), "already has a box"),
    "corners swapped": (("--box", "1:90,80,10,20"), "upper left corner first"),
    "box beyond the frame": (("--box", "1:0,0,700,20"), "which is 640x360"),
    "shares of the frame": (("--box", "1:0.14,0.35,0.37,0.66"), "or percent of the frame"),
    "a box between pixels": (("--box", "1:5.6,5,6.4,90"), "contains none"),
    "endless duration": (("--mask", "MASK", "--duration", "inf"), "leave it out"),
    "point beyond the frame": (("--point", "1:700,20"), "x from 0 to 639"),
    "odd coordinates": (("--point", "1:7,20,5"), "write ID:x,y"),
    "background only": (("--point", "-1:7,20"), "add one on it"),
    "letters": (("--point", "1:a,b"), "write ID:x,y"),
    "id too large": (("--box", "255:1,2,30,40"), "ids are 1 to 254"),
    "id 0": (("--point", "0:1,2"), "write ID:x,y"),
    "mask and prompt of one object": (("--mask", "MASK", "--box", "1:1,2,30,40"), "leave one out"),
    "mask of no such frame": (("--mask", "99=MASK"), "has 8 frames"),
    "two masks of one frame": (("--mask", "MASK", "--mask", "0=MASK"), "two masks are for frame 0"),
    "mask of a frame that is skipped": (("--mask", "1=MASK", "--stride", "2"), "in steps of 2"),
    "resume and overwrite": (
        ("--mask", "MASK", "--resume", "--overwrite"),
        "pass only one of them",
    ),
    "no frames": (("--mask", "MASK", "--max-frames", "0"), "max"),
    "no duration": (("--mask", "MASK", "--duration", "-1"), "duration"),
    "unknown option": (("--mask", "MASK", "--overwite"), "--overwrite"),
    "unknown method": (("--mask", "MASK", "--method", "persamf"), "persam-f"),
}


@pytest.mark.parametrize(("options", "said"), WRONG.values(), ids=WRONG)
def test_what_is_typed_wrongly_is_one_line_that_tells_the_fix(run, clip, tmp_path, options, said):
    options = [option.replace("MASK", str(clip.first_mask)) for option in options]
    done = run("track", clip.video, *options, "--out", tmp_path / "out", *FAST)
    assert done.status == 2
    assert said in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "out").exists()


def test_a_box_in_percent(run, clip, tmp_path):
    done = run("prompt", clip.video, "--box", "1:10%,20%,60%,90%", "--out", tmp_path / "mask.png")
    assert done.status == 0, done.err
    x0, y0, x1, y1 = boxes_of_labels(read_label_png(tmp_path / "mask.png"), [1])[1]
    assert x0 >= 64
    assert y0 >= 72
    assert x1 <= 384
    assert y1 <= 324


def test_points_alone_are_warned_of_and_recorded(run, clip, tmp_path):
    out = tmp_path / "out"
    done = run("track", clip.video, "--point", "1:300,180", "--out", out, "--stop", 2, *FAST)
    assert done.status == 0, done.err
    assert "weak prompt" in done.err
    record = json.loads((out / "run.json").read_text())
    assert any("weak prompt" in warning for warning in record["warnings"])


def test_a_frame_that_is_not_there(run, clip, tmp_path):
    done = run(
        "prompt", clip.video, "--box", "1:9,9,90,90", "--frame", 99, "--out", tmp_path / "m.png"
    )
    assert done.status == 2
    assert "has 8 frames, 0 to 7, so there is no frame 99" in done.err
    assert not (tmp_path / "m.png").exists()
