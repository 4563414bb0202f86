"""Marking, tracking, correcting and exporting on the page, with a real server and model."""

import json
from pathlib import Path

import av
import numpy as np
import pytest

from eval.common import iou
from persam_video.config import load_settings, parse_assignments
from persam_video.masks.png import read_label_png
from tests.studio.conftest import draw
from tests.studio.page.browser import SMALL, Page, StudioSession
from tests.studio.page.conftest import BALL, KOI, LENGTH
from tests.studio.page.whole_clip import (
    check_masks,
    clip_of_girls,
    export,
    first_frames,
    go_through,
    library_masks,
    mark_two,
)

GIRLS = 10  # frames of the clip of the schoolgirls; the rest takes no other path
CORRECTED = 5


@pytest.fixture(scope="module")
def long_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder of more frames than are tracked before somebody can press a key."""
    return draw(tmp_path_factory.mktemp("long") / "frames", length=400).frames


def paint(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw a stroke with the brush for the first object."""
    page.press("1", "d")
    page.page.mouse.move(*page.place(*start))
    page.page.mouse.down()
    page.page.mouse.move(*page.place(*end), steps=5)
    page.page.mouse.up()
    page.wait_for_mark()
    page.press("c")


def test_points_tracks_and_corrects_as_the_library_does(
    page: Page, session: StudioSession, clip, centres, tmp_path: Path
) -> None:
    sent = page.gestures()
    mark_two(page, session.address, [centres[KOI], centres[BALL]])
    truth = read_label_png(clip.first_mask)
    marked = session.masks(0)
    # a click may take a part of the koi, or some of the ground; what counts here is where it went
    assert (marked[1] & (truth == KOI)).sum() > 0.5 * marked[1].sum() > 0
    assert iou(marked[2], truth == BALL) > 0.7
    page.press("t")
    page.wait_for_job()
    assert session.get()["tracked"][-1][1] == LENGTH - 1
    page.go_to(LENGTH - 1)
    page.wait_for_masks(1, 2)
    last = read_label_png(sorted(clip.truth.glob("*.png"))[-1])
    assert iou(session.masks(LENGTH - 1)[2], last == BALL) > 0.7

    # a correction in a later frame is an annotation from then on
    page.go_to(6)
    page.wait_for_masks(1, 2)
    before = session.masks(6)[1]
    paint(page, (600, 330), (630, 350))
    painted = session.masks(6)[1] & ~before
    assert painted[310:360, 580:640].sum() > 0.9 * painted.sum() > 0
    page.press("t")
    page.wait_for_job()
    assert session.get()["annotated"] == [0, 6]
    small = load_settings("persam", parse_assignments(SMALL[1:]))
    expected = library_masks(clip.video, tmp_path / "library", sent, range(LENGTH), small)
    check_masks(session, expected)

    # and what is exported is what was shown; the folder is what tracking leaves
    page.press("Control+e")
    page.page.wait_for_selector("#export-dialog[open] input[name=output]")
    video = export(page, "overlay", tmp_path)
    with av.open(str(video)) as container:
        assert sum(1 for _ in container.decode(video=0)) == LENGTH
    page.screenshot("export")
    coco = json.loads(export(page, "coco", tmp_path).read_text("utf-8"))
    assert len(coco["images"]) == LENGTH
    assert len(coco["annotations"]) == 2 * LENGTH
    labels = read_label_png(session.folder / "masks" / f"{LENGTH - 1:05d}.png")
    check_masks(session, {LENGTH - 1: labels})


def test_undo_redo_and_hiding(page: Page, session: StudioSession, centres) -> None:
    page.open(session.address)
    page.click(*centres[KOI])
    page.wait_for_masks(1)
    page.press("Control+z")
    page.wait_for_masks()
    page.press("Control+Shift+z")
    page.wait_for_masks(1)
    page.press("h")
    page.wait_for_masks()
    page.press("h")
    page.wait_for_masks(1)


def test_says_when_a_mark_takes_most_of_another_object(
    page: Page, session: StudioSession, centres
) -> None:
    page.open(session.address)
    page.press("d")
    page.click(*centres[BALL])
    page.wait_for_masks(1)
    page.press("a", "]", "]")
    page.click(*centres[BALL])
    page.wait_for_toast("This took most of object 1")
    page.wait_for_masks(2)


def test_pausing_and_stopping_keep_what_is_done(
    page: Page, open_source, long_folder: Path, tmp_path: Path
) -> None:
    session = open_source(long_folder, tmp_path.name)
    page.open(session.address)
    page.press("d")
    page.click(19, 19)  # a dab of the brush on the red square
    page.wait_for_masks(1)
    page.press("t")
    page.page.wait_for_selector("#job:not([hidden])")
    page.page.wait_for_function("() => /^[1-9]/.test(document.querySelector('#job p').textContent)")
    page.press("p")
    page.page.get_by_role("button", name="Go on").wait_for()
    held = session.get()
    assert held["job"]["state"] == "paused"
    page.page.wait_for_timeout(500)
    assert session.get()["tracked"] == held["tracked"]
    page.press("p")
    page.page.get_by_role("button", name="Pause").wait_for()
    page.page.wait_for_function(
        "done => Number.parseInt(document.querySelector('#job p').textContent) > done",
        arg=held["job"]["done"],
    )
    page.press("k")
    page.wait_for_toast("finished frames are kept")
    ((first, last),) = session.get()["tracked"]
    assert first == 0
    assert held["tracked"][-1][1] < last < 399
    kept = session.masks(last)
    page.page.reload()
    page.go_to(last)
    page.wait_for_masks(1)
    np.testing.assert_array_equal(session.masks(last)[1], kept[1])


def test_tracks_between_two_marks(page: Page, session: StudioSession, centres) -> None:
    page.open(session.address)
    page.go_to(6)
    page.click(*centres[BALL])
    page.wait_for_masks(1)
    page.press("o")
    page.go_to(3)
    page.press("i")
    # there are masks at the mark out alone, so that the way is backwards
    between = page.page.get_by_role("button", name="Track between the marks")
    between.click()
    page.wait_for_job()
    assert session.get()["tracked"] == [[3, 6]]
    page.press("Shift+I")
    between.wait_for(state="hidden")


def test_compares_with_the_masks_before(page: Page, session: StudioSession, centres) -> None:
    page.open(session.address)
    page.click(*centres[BALL])
    page.wait_for_masks(1)
    page.press("t")
    page.wait_for_job()
    page.press("End")
    page.wait_for_frame(LENGTH - 1)
    with page.page.expect_response(lambda response: "masks?before=1" in response.url):
        page.page.keyboard.down("b")
    page.page.locator("#stage-badge", has_text="Nothing to compare").wait_for()
    page.page.keyboard.up("b")
    page.page.wait_for_selector("#stage-badge[hidden]", state="attached")
    page.wait_for_masks(1)


def test_names_are_text(page: Page, session: StudioSession) -> None:
    markup = "<img src=x onerror=alert(1)>"
    page.open(session.address)
    page.press("a")
    page.page.locator(".object-select").dblclick()
    page.page.get_by_label("Name of").fill(markup)
    page.press("Enter")
    page.page.locator(".object-name", has_text=markup).wait_for()
    page.page.wait_for_function(
        "name => document.querySelector('.lane-name').textContent === name", arg=markup
    )
    assert page.page.locator("#objects img, .lane-name img").count() == 0


def test_schoolgirls(page: Page, shared_data: Path, tmp_path: Path) -> None:
    found = clip_of_girls(shared_data)
    if found is None:
        pytest.skip("the development data have no clip of the schoolgirls")
    clip, truth = found
    video = first_frames(clip, tmp_path / "schoolgirls.mp4", GIRLS)
    done = go_through(page, video, truth, CORRECTED, tmp_path)
    assert done.same == GIRLS
