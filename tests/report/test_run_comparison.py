import av
import numpy as np
import pytest

from persam_video.errors import DatasetError, OutputError, SourceError
from persam_video.masks import write_label_png
from persam_video.report.run_comparison import compare_runs
from tests.report.conftest import scene
from tests.report.html_page import Page


def thinner(index, labels):
    """Object 1 is half as wide from frame 12 on."""
    if index >= 12:
        labels = labels.copy()
        labels[:, 16 + index : 24 + index] = 0
    return labels


@pytest.fixture
def truth(tmp_path):
    folder = tmp_path / "truth"
    folder.mkdir()
    for index in range(0, 24, 4):
        write_label_png(folder / f"{index:05d}.png", scene(index)[1])
    return folder


def test_equal_runs_have_nothing_to_show(store, tmp_path):
    compared = compare_runs(store("a"), store("b"), tmp_path / "page.html")
    assert (compared.frames, compared.different, compared.warnings) == (24, (), ())
    assert [o.iou for o in compared.objects] == [1, 1]
    page = Page(compared.page.read_text("utf-8"))
    page.assert_self_contained()
    assert "a and b" in page.text
    assert "The masks are equal in every frame." in page.text


def test_frames_that_differ_are_shown_with_the_truth(store, tmp_path, truth):
    compared = compare_runs(
        store("a"), store("b", change=thinner), tmp_path / "page.html", truth=truth
    )
    first, second = compared.objects
    assert (first.iou, first.least, first.frame) == (0.75, 0.5, 12)
    assert (first.a, second.a, second.b) == (1, 1, 1)
    # of the frames 4, 8, 12, 16 and 20; the first one was given
    assert 0.7 < first.b < 0.95
    assert [entry.frame for entry in compared.different] == [12, 17, 22]
    page = Page(compared.page.read_text("utf-8"))
    assert [entry["alt"] for entry in page.having("img")] == [
        f"{name}, frame {frame}"
        for frame in (12, 17, 22)
        for name in ("a", "b", "difference", *(["truth"] if frame % 4 == 0 else []))
    ]


def test_the_video_has_both_halves(store, tmp_path):
    compared = compare_runs(
        store("a"), store("b", change=lambda i, labels: labels * 0), video=tmp_path / "both.mp4"
    )
    with av.open(compared.video) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert container.streams.video[0].average_rate == 25
    assert (len(frames), frames[0].shape) == (24, (64, 192, 3))
    left, right = frames[10][40, 42], frames[10][40, 96 + 42]  # in object 2
    assert np.abs(left.astype(int) - right).max() > 20
    ground = frames[10][58, 5], frames[10][58, 96 + 5]
    assert np.abs(ground[0].astype(int) - ground[1]).max() < 20


def test_runs_of_one_name_are_told_apart(store, tmp_path):
    compare_runs(store("one/out"), store("other/out"), tmp_path / "page.html")
    assert "one/out and other/out" in Page((tmp_path / "page.html").read_text("utf-8")).text


def test_a_source_that_is_gone_leaves_masks_on_the_page_and_no_video(store, tmp_path):
    gone = tmp_path / "gone.mp4"
    a, b = store("a", source=gone), store("b", source=gone, change=thinner)
    compared = compare_runs(a, b, tmp_path / "page.html")
    assert compared.warnings[0].endswith("the page has no pictures of the frames")
    with pytest.raises(SourceError, match=r"gone\.mp4"):
        compare_runs(a, b, video=tmp_path / "both.mp4")
    assert not (tmp_path / "both.mp4").exists()


def test_masks_of_another_program_are_matched_by_the_run_s_source(store, truth):
    compared = compare_runs(truth, store())
    assert (compared.frames, [o.iou for o in compared.objects]) == (6, [1, 1])


def test_what_does_not_fit_is_refused(store, tmp_path, truth, clip):
    a, b = store("a"), store("b")
    odd = tmp_path / "odd"
    odd.mkdir()
    write_label_png(odd / "00004.png", np.ones((8, 8), np.uint8))
    with pytest.raises(DatasetError, match=r"00004\.png: is 8x8, the frames of the runs are 96x64"):
        compare_runs(a, b, truth=odd)
    with pytest.raises(DatasetError, match="holds no PNG"):
        compare_runs(a, b, truth=a)
    with pytest.raises(SourceError, match="give their source, too"):
        compare_runs(truth, truth)
    (tmp_path / "page.html").write_text("mine")
    with pytest.raises(OutputError, match="already exists"):
        compare_runs(a, b, tmp_path / "page.html")
    with pytest.raises(OutputError, match="is an input"):
        compare_runs(a, b, video=clip, overwrite=True)
    (truth / "page").mkdir()
    tracks = (b / "tracks.jsonl").read_text().splitlines(keepends=True)
    (b / "tracks.jsonl").write_text("")
    with pytest.raises(DatasetError, match="have no frame in common"):
        compare_runs(a, b)
    (b / "tracks.jsonl").write_text(tracks[0])
    assert compare_runs(a, b).frames == 1
