"""``--save``, ``render`` and ``export``, through the program."""

import av
import pytest
from pycocotools.coco import COCO

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
    ran = run("export", saved, "--to", output, "--out", tmp_path / "made")
    assert ran.status == 0, ran.err
    assert (tmp_path / "made").read_bytes() == (saved / name[output]).read_bytes()


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
    assert (ran.status, "run.json: cannot be read" in ran.err) == (2, True)
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
