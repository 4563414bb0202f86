"""Opening, several tabs, and a server that goes away and comes back."""

import base64
from pathlib import Path

import numpy as np

from tests.studio.page.browser import Page, StudioSession, running_studio
from tests.studio.page.conftest import BALL, KOI, LENGTH


def test_opens_files_below_the_root_and_uploads(page: Page, studio, clip, tmp_path: Path) -> None:
    folder = Path(studio.arguments[1]) / tmp_path.name
    folder.mkdir()
    (folder / "pond.mp4").hardlink_to(clip.video)
    page.page.goto(f"{studio.address}#session=none")
    if page.page.locator("#open-dialog[open]").count() == 0:
        page.press("Control+o")
    page.page.wait_for_selector("#open-dialog[open]")
    page.page.get_by_role("button", name=folder.name).click()
    page.page.get_by_role("button", name="pond.mp4").click()
    page.wait_for_frame(0)
    first = page.page.evaluate("() => location.hash")
    page.press("Control+o")
    page.page.wait_for_selector("#open-dialog[open]")
    page.page.set_input_files("#upload-input", clip.video)
    page.page.wait_for_function("first => location.hash !== first", arg=first)
    page.page.wait_for_selector("#open-dialog:not([open])", state="attached")
    page.wait_for_frame(0)


def test_a_dropped_video_is_opened(page: Page, session: StudioSession, clip) -> None:
    page.open(session.address)
    first = page.page.evaluate("() => location.hash")
    dropped = page.page.evaluate_handle(
        "([name, code]) => { const bytes = Uint8Array.from(atob(code), (c) => c.charCodeAt(0));"
        " const dropped = new DataTransfer();"
        " dropped.items.add(new File([bytes], name, {type: 'video/mp4'})); return dropped; }",
        ["dropped.mp4", base64.b64encode(clip.video.read_bytes()).decode()],
    )
    page.page.dispatch_event("#stage", "dragenter", {"dataTransfer": dropped})
    page.page.locator("#stage-drop", has_text="Drop the video").wait_for()
    page.page.dispatch_event("#stage", "drop", {"dataTransfer": dropped})
    page.page.wait_for_function("first => location.hash !== first", arg=first)
    page.page.wait_for_selector("#open-dialog:not([open])", state="attached")
    page.wait_for_frame(0)
    assert page.page.locator("#clip").inner_text().startswith("dropped")
    assert page.page.locator("#stage-drop").is_hidden()


def test_two_tabs_show_the_same(page: Page, session: StudioSession, centres) -> None:
    page.open(session.address)
    other = Page(page.page.context.new_page())
    other.open(session.address)
    page.click(*centres[BALL])
    page.wait_for_masks(1)
    other.wait_for_masks(1)
    page.page.locator(".object-select").dblclick()
    page.page.get_by_label("Name of").fill("ball")
    page.press("Enter")
    other.page.get_by_role("button", name="ball id 1").wait_for()
    assert other.problems == []


def test_goes_on_after_a_reload_and_a_killed_server(
    page: Page, clip, centres, tmp_path: Path
) -> None:
    with running_studio(clip.video, "--out", tmp_path / "session") as studio:
        session = StudioSession.only(studio)
        page.open(session.address)
        page.click(*centres[KOI])
        page.wait_for_masks(1)
        page.press("t")
        page.wait_for_job()
        page.go_to(6)
        page.wait_for_masks(1)
        page.page.wait_for_function("() => location.hash.includes('frame=6')")
        page.page.reload()
        page.wait_for_frame(6)
        page.wait_for_masks(1)

        kept = {frame: session.masks(frame) for frame in range(LENGTH)}
        studio.kill()
        page.page.wait_for_selector("#offline:not([hidden])")
        page.screenshot("offline")
        studio.arguments = [str(tmp_path / "session")]
        studio.start()
        page.page.wait_for_selector("#offline[hidden]", state="attached")
        page.wait_for_toast("Connected again")
        page.wait_for_masks(1)
        for frame, found in kept.items():
            for object_id, mask in session.masks(frame).items():
                np.testing.assert_array_equal(mask, found[object_id])
        # and it can still be worked on
        page.press("Home")
        page.wait_for_frame(0)
        page.press("Control+z")
        page.page.wait_for_selector("#redo-button:not(:disabled)")


def test_asks_for_news_where_events_do_not_come_through(
    page: Page, session: StudioSession, centres
) -> None:
    page.page.route("**/events", lambda route: route.abort())
    page.open(session.address)
    page.page.locator("#offline", has_text="Live updates do not come through").wait_for()
    session.get("/objects", {"name": "seen by asking"})
    page.page.locator(".object-name", has_text="seen by asking").wait_for()
    page.click(*centres[BALL])  # and it can be worked on
    page.wait_for_masks(1)
    page.press("t")  # the masks appear as they come, and the page follows them
    page.page.wait_for_selector("#stage:not([data-frame='0'])")
    page.wait_for_masks(1)
    page.page.wait_for_selector("#job[hidden]", state="attached")

    page.page.unroute("**/events")
    page.page.evaluate("() => window.dispatchEvent(new Event('online'))")
    page.page.wait_for_selector("#offline[hidden]", state="attached")
    session.get("/objects", {"name": "told by an event"})
    page.page.locator(".object-name", has_text="told by an event").wait_for()
