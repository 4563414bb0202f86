"""``--save``, ``render`` and ``export``, through the program."""

import json
import subprocess
import sys

import av
import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from persam_video.masks import read_label_png, write_label_png
from persam_video.video import FrameStream

FAST = ("--set", "model.image_size=256", "--device", "cpu")


@pytest.fixture(scope="module")
def saved(clip, tmp_path_factory):
    from persam_video.config import load_settings
    from persam_video.run import track_to_folder
    from persam_video.sinks.outputs import parse_outputs

    out = tmp_path_factory.mktemp("saved") / "out"
    track_to_folder(
        clip.video,
        clip.first_mask,
        out,
        settings=load_settings("persam", {"model.image_size": 256, "model.device": "cpu"}),
        outputs=parse_outputs(["coco,ytvos", "mot,table"]),
    )
    return out


def test_only_what_was_asked_for_beside_masks_and_lines(saved):
    files = {path.name for path in saved.iterdir()}
    names = {"masks", "tracks.jsonl", "run.json"}
    assert files == names | {"coco.json", "ytvos.json", "mot.txt", "table.csv"}
    assert len(COCO(saved / "coco.json").imgs) == 8


@pytest.mark.parametrize("output", ["coco", "ytvos", "mot", "table"])
def test_an_export_is_what_the_run_would_have_written(run, saved, tmp_path, output):
    name = {"coco": "coco.json", "ytvos": "ytvos.json", "mot": "mot.txt", "table": "table.csv"}
    made = tmp_path / "made" / name[output]
    ran = run("export", saved, "--to", output, "--out", made)
    assert ran.status == 0, ran.err
    assert made.read_bytes() == (saved / name[output]).read_bytes()


def test_a_file_has_the_suffix_of_its_kind(run, saved, tmp_path):
    for output, name in (("cvat", "x"), ("coco", "a.csv"), ("mot", "b.v2"), ("overlay", "c.txt")):
        ran = run("export", saved, "--to", output, "--out", tmp_path / name)
        assert (ran.status, ran.err.count("\n")) == (2, 1)
    assert not list(tmp_path.iterdir())


def test_render_and_export_load_no_torch(saved, clip, tmp_path):
    program = (
        "import sys\n"
        "from persam_video.cli.main import app\n"
        "app(sys.argv[1:], standalone_mode=False)\n"
        "assert 'torch' not in sys.modules\n"
    )
    for command in (
        ("render", saved, clip.video, "--out", tmp_path / "o.mp4"),
        ("export", saved, "--to", "coco", "--out", tmp_path / "c.json"),
        ("export", saved / "masks", "--to", "mot", "--source", clip.video, "--out", "m.txt"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", program, *map(str, command)],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_an_export_of_masks_is_the_run_s(run, saved, tmp_path):
    assert run("export", saved, "--to", "masks", "--out", tmp_path / "masks").status == 0
    for mask in (saved / "masks").iterdir():
        assert (tmp_path / "masks" / mask.name).read_bytes() == mask.read_bytes()


@pytest.mark.parametrize(
    ("style", "codec", "width"), [("side-by-side", "vp9", 1280), ("blur", "hevc", 640)]
)
def test_render_draws_over_the_source(run, saved, clip, tmp_path, style, codec, width):
    out = tmp_path / "out.mp4"
    ran = run("render", saved, clip.video, "--style", style, "--codec", codec, "--out", out)
    assert ran.status == 0, ran.err
    with av.open(out) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name.replace("libvpx-", ""), stream.width) == (codec, width)
        assert len(list(container.decode(stream))) == 8
    again = run("render", saved, clip.video, "--out", out)
    assert (again.status, "--overwrite" in again.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--save", "cooc"), "output 'cooc' is unknown: did you mean 'coco'?"),
        (("--style", "spot"), "style 'spot' is unknown"),
        (("--codec", "h265"), "did you mean 'h264'?"),
        (("--codec", "prores"), "codec 'prores' is unknown"),
        (("--crf", "99"), "crf is 99; give a number from 0 to 51"),
    ],
)
def test_wrong_options_tell_the_right_ones(run, clip, tmp_path, arguments, said):
    ran = run(
        "track", clip.video, "--mask", clip.first_mask, "--out", tmp_path / "o", *FAST, *arguments
    )
    assert ran.status == 2
    assert said in ran.err
    assert len(ran.err.strip().splitlines()) == 1
    assert not (tmp_path / "o").exists()  # so an earlier run would still be there


def test_a_folder_that_holds_no_run(run, tmp_path):
    ran = run("export", tmp_path, "--to", "mot", "--out", tmp_path / "mot.txt")
    assert (ran.status, "holds neither a run" in ran.err) == (2, True)
    assert not list(tmp_path.iterdir())


def test_another_video_than_the_one_that_was_tracked(run, saved, tmp_path):
    with av.open(tmp_path / "other.mp4", "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        container.mux(stream.encode(None))
    ran = run("render", saved, tmp_path / "other.mp4", "--out", tmp_path / "out.mp4")
    assert (ran.status, "the run has 640x360" in ran.err) == (2, True)
    assert not (tmp_path / "out.mp4").exists()


def gone(folder, place):
    """Copy the masks of a run, without object 1 from frame 5 on."""
    place.mkdir()
    for path in sorted((folder / "masks").glob("*.png")):
        labels = read_label_png(path)
        if int(path.stem) >= 5:
            labels[labels == 1] = 0
        write_label_png(place / path.name, labels)
    return place


def test_frames_to_check_are_printed_and_written(run, saved, clip, tmp_path):
    masks = gone(saved, tmp_path / "masks")
    out = tmp_path / "hidden.mp4"
    ran = run("render", masks, clip.video, "--style", "anonymise", "--out", out, "--json")
    assert ran.status == 0, ran.err
    told = json.loads(ran.out)
    assert told["coverage"]["kept"] == {"1": [[5, 7]]}
    assert json.loads((tmp_path / "hidden.json").read_text()) == told
    assert "object 1 was lost" in ran.err and "frames 5-7" in ran.err


def test_a_run_hides_too_and_records_what_to_check(clip, tmp_path):
    from persam_video.config import load_settings
    from persam_video.drawing.overlay_style import OverlayStyle
    from persam_video.run import FrameRange, track_to_folder
    from persam_video.sinks.outputs import SinkOptions

    later = read_label_png(sorted(clip.truth.glob("*.png"))[3])
    both = {0: np.where(read_label_png(clip.first_mask) == 1, 1, 0).astype(np.uint8), 3: later}
    record = track_to_folder(
        clip.video,
        both,
        tmp_path / "out",
        settings=load_settings("persam", {"model.image_size": 256, "model.device": "cpu"}),
        frames=FrameRange(stop=5),
        writing=SinkOptions(style=OverlayStyle(("anonymise=fill",))),
    )
    assert any("object 2 was not known in frames 0-2" in line for line in record.warnings)
    with FrameStream(tmp_path / "out" / "overlay.mp4") as frames:
        last = list(frames)[-1].rgb
    shown = read_label_png(tmp_path / "out" / "masks" / "00004.png") > 0
    assert last[shown].mean() < 6


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--frame", "3", "--start", "2"), "leave them out"),
        (("--start", "4", "--stop", "4"), "give a stop above the start"),
        (("--objects", "0"), "from 1 to 254"),
        (("--objects", "1,dog"), "from 1 to 254"),
        (("--names", "dog"), "such as 1="),
        (("--names", "x=dog"), "from 1 to 254"),
        (("--colours", "1=blurple"), "is not a colour"),
        (("--opacity", "2"), "from 0 to 1"),
        (("--feather", "-1"), "0 to 200"),
        (("--feather", "soft"), "a width in pixels, or logits"),
        (("--feather", "logits"), "logits are not stored with a run"),
        (("--style", "follow=big"), "such as 9:16"),
        (("--style", ","), "unknown"),
        (("--follow", "999"), "never visible"),
    ],
)
def test_wrong_looks_are_one_line(run, saved, clip, tmp_path, words, says):
    out = tmp_path / "a.mp4"
    style = () if "--style" in words else ("--style", "follow")
    ran = run("render", saved, clip.video, *style, *words, "--out", out)
    assert says in ran.err and ran.err.count("\n") == 1
    assert (ran.status, out.exists()) in ((2, False), (0, True))


def test_edges_are_as_the_logits_have_them_while_tracking(run, clip, tmp_path):
    fast = ("--set", "model.image_size=256", "--device", "cpu", "--max-frames", 4)
    words = ("--feather", "logits", "--objects", "1,2", "--save", "cutout-png,overlay")
    look = ("--style", "background=black", "--no-labels")
    out = tmp_path / "out"
    ran = run(*("track", clip.video, "--mask", clip.first_mask, *words, *look, *fast, "--out", out))
    assert (ran.status, ran.err) == (0, "")
    with FrameStream(clip.video) as source, FrameStream(out / "overlay.mp4") as drawn:
        pairs = list(zip(source, drawn, strict=False))
    for before, after in pairs[1:]:
        name = f"{before.index:05d}.png"
        alpha = np.asarray(Image.open(out / "cutout" / name))[..., 3]
        labels = read_label_png(out / "masks" / name)
        apart = cv2.dilate((labels == 3).view(np.uint8), np.ones((9, 9))) == 0
        shown = (labels == 1) | (labels == 2)
        assert np.array_equal((alpha > 127)[apart], shown[apart])
        assert ((alpha > 30) & (alpha < 225)).sum() > 100
        blended = before.rgb * (alpha[..., None] / 255)
        assert np.abs(blended - after.rgb)[apart].mean() < 6
    given = np.asarray(Image.open(out / "cutout" / "00000.png"))[..., 3]
    assert set(np.unique(given)) == {0, 255}  # of the annotation there are no logits


def test_names_and_objects_hold_for_exports_too(run, saved, tmp_path):
    out = tmp_path / "c.json"
    words = ("--objects", "1,3", "--names", "1=koi", "--start", "2", "--stop", "5")
    ran = run("export", saved, "--to", "coco", *words, "--out", out)
    assert ran.status == 0, ran.err
    found = json.loads(out.read_text())
    assert {entry["track_id"] for entry in found["annotations"]} == {1, 3}
    assert [entry["name"] for entry in found["categories"]] == ["koi", "object"]
    assert [entry["frame_index"] for entry in found["images"]] == [2, 3, 4]
