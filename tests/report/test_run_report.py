import re

import numpy as np
import pytest

from persam_video.errors import DatasetError, OutputError, SourceError
from persam_video.masks import write_label_png
from persam_video.report.findings import Reason
from persam_video.report.run_report import report_run
from tests.report.html_page import Page


def swapped(index, labels):
    """From frame 10 on each object has the other's pixels."""
    return labels if index < 10 else np.array([0, 2, 1], np.uint8)[labels]


def gone(index, labels):
    """Object 2 is lost in frames 6 to 9."""
    return np.where((labels == 2) & (6 <= index <= 9), 0, labels).astype(np.uint8)


def read(path):
    return Page(path.read_text(encoding="utf-8"))


def test_a_steady_run_needs_no_look(store):
    report = report_run(store())
    page = read(report.place)
    page.assert_self_contained()
    assert report.findings == report.warnings == ()
    assert [(o.object_id, o.frames, o.lost) for o in report.objects] == [(1, 24, 0), (2, 24, 0)]
    assert [o.score for o in report.objects] == pytest.approx([0.9, 0.8])
    assert report.objects[0].likeness > 0.95
    assert "2 objects in 24 frames of walk.mp4, 96×64, 1.0 s" in page.text
    assert "Nothing stands out" in page.text
    assert len(page.having("img")) == 8
    assert len(page.having("svg")) == 2 * 4


def test_objects_are_called_by_their_names(store):
    report = report_run(store(names={2: "cat <3"}, change=gone))
    assert [o.name for o in report.objects] == [None, "cat <3"]
    page = read(report.place)
    assert "object 1 never lost cat <3 lost in 4" in page.text
    page.assert_self_contained()


def test_scene_cuts_are_shown(store):
    report = report_run(store(cuts=(6, 12)))
    assert report.cuts == (6, 12)
    page = read(report.place)
    assert "scene cuts at 6, 12" in page.text
    # on the time line of each object, and on its four plots
    assert len(page.having("i", **{"class": "cut"})) == 2 * 2 * 5
    assert page.having("i", title="a new scene from 12 on", style="left:50.000%")


def test_objects_that_swap_are_named_first_with_both_frames(store):
    report = report_run(store(change=swapped))
    first = report.findings[0]
    assert (first.frame, first.reason) == (10, Reason.PASSED)
    assert {first.object_id, first.other} == {1, 2}
    assert {f.object_id for f in report.findings if f.reason is Reason.UNLIKE} == {1, 2}
    page = read(report.place)
    assert re.search(r"Frame 10 object 1 → object 2 Passed on\. \d+% of it passed to", page.text)
    assert page.having("img", alt=f"Masks of frame {first.since}")
    assert page.having("img", alt="Masks of frame 10")


def test_lost_periods_are_listed(store):
    report = report_run(store(change=gone))
    assert report.objects[1].lost == 4
    first = next(found for found in report.findings if found.object_id == 2)
    assert (first.frame, first.reason) == (6, Reason.LOST)
    text = read(report.place).text
    assert "lost 6–9 (4 frames)" in text
    assert "Lost from here on; its score was 0.80." in text


def test_a_source_that_is_gone_leaves_the_masks(store, tmp_path):
    report = report_run(store(change=gone, source=tmp_path / "moved.mp4"))
    (warning,) = report.warnings
    assert warning.endswith("the report has no pictures of the frames")
    assert np.isnan(report.objects[0].likeness)
    page = read(report.place)
    assert warning in page.text
    assert len(page.having("svg")) == 2 * 3


def test_the_source_may_be_given(store, tmp_path, clip):
    run = store(source=tmp_path / "moved.mp4")
    assert report_run(run, source=clip).warnings == ()
    with pytest.raises(SourceError, match=r"other\.mp4"):
        report_run(run, source=tmp_path / "other.mp4", overwrite=True)


def test_masks_of_other_programs_need_their_source(tmp_path, clip):
    (tmp_path / "masks").mkdir()
    for index in (0, 3, 6):
        labels = np.zeros((64, 96), np.uint8)
        labels[16:48, 8 + index : 24 + index] = 3
        write_label_png(tmp_path / "masks" / f"{index:05d}.png", labels)
    with pytest.raises(SourceError, match="give their source, too"):
        report_run(tmp_path / "masks")
    report = report_run(tmp_path / "masks", tmp_path / "new" / "page.html", source=clip)
    assert (report.frames, report.findings) == (3, ())
    assert "Masks" in read(report.place).text


def test_what_is_there_stays(store, tmp_path):
    run = store()
    report_run(run)
    with pytest.raises(OutputError, match=r"report\.html already exists: pass --overwrite"):
        report_run(run)
    report_run(run, overwrite=True)
    with pytest.raises(OutputError, match=r"such a file ends in \.html"):
        report_run(run, run / "tracks.jsonl", overwrite=True)
    with pytest.raises(DatasetError, match=r"run\.json"):
        report_run(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_a_long_list_says_how_many_more_there_are(store):
    flicker = lambda index, labels: labels if index % 2 else np.zeros_like(labels)  # noqa: E731
    report = report_run(store(change=flicker))
    page = read(report.place)
    assert len(page.having("section", **{"class": "card look"})) == 12
    assert f"{len(report.findings) - 12} more" in page.text
