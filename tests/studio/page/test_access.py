"""The page for everybody: keys alone, focus, small windows, contrast."""

import os
from pathlib import Path

import pytest

from eval.common import iou
from persam_video.masks.png import read_label_png
from tests.studio.page.browser import Page, StudioSession
from tests.studio.page.conftest import BALL, LENGTH

# the side that a control lies beyond, or what covers it when it is scrolled to
OUT_OF_REACH = """
() => [...document.querySelectorAll('button, input, #stage, .lane-track')]
  .filter((e) => e.checkVisibility() && !e.disabled && !e.closest('dialog, .visually-hidden'))
  .filter((e) => {
    e.scrollIntoView({block: 'center'});
    const box = e.getBoundingClientRect();
    if (box.left < 0 || box.right > innerWidth + 0.5) return true;
    const hit = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
    return !(e.contains(hit) || hit?.contains(e));
  })
  .map((e) => e.outerHTML.slice(0, 80))
"""


def test_everything_goes_without_a_mouse(page: Page, session: StudioSession, clip, centres) -> None:
    page.open(session.address)
    page.press("j")  # the crosshair begins in the middle
    x, y = centres[BALL]
    scale = float(page.page.locator("#stage").get_attribute("data-scale"))
    step = max(1, round(2 / scale))
    for key, distance in (("ArrowRight", x - 320), ("ArrowDown", y - 180)):
        steps = round(distance / step)
        for _ in range(steps // 10):
            page.press(f"Shift+{key}")
        for _ in range(steps % 10):
            page.press(key)
    page.press("Enter")
    page.wait_for_masks(1)
    assert iou(session.masks(0)[1], read_label_png(clip.first_mask) == BALL) > 0.7
    page.press("Escape", "o", "t")
    page.wait_for_job()
    page.press("End")
    page.wait_for_frame(LENGTH - 1)
    page.wait_for_masks(1)
    page.press("Home", ".", "ArrowRight")
    page.wait_for_frame(2)
    page.press("?")
    page.page.wait_for_selector("#help-dialog[open]")
    page.press("Escape", "Control+e")
    page.page.wait_for_selector("#export-dialog[open] input[name=output]")
    # from the first control on, Tab reaches the button and Enter presses it
    for _ in range(12):
        page.press("Tab")
        if page.page.evaluate("() => document.activeElement.closest('.export-run') !== null"):
            break
    page.press("Enter")
    page.page.locator(".downloads a").first.wait_for()
    assert list(session.folder.rglob("overlay*"))


def test_the_focus_stays_where_tracking_is_started_and_stopped(
    page: Page, session: StudioSession, centres
) -> None:
    page.open(session.address)
    page.click(*centres[BALL])
    page.wait_for_masks(1)
    focused = "() => { const e = document.activeElement; return e.ariaLabel || e.innerText; }"
    page.page.get_by_role("button", name="Track on from here").focus()
    page.press("Enter")
    page.page.wait_for_selector("#job:not([hidden])")
    assert page.page.evaluate(focused).startswith("Stop")
    page.page.wait_for_selector("#job[hidden]", state="attached")
    assert page.page.evaluate(focused) == "Track on from here"


def test_focus_is_visible_and_in_order(page: Page, marked: StudioSession) -> None:
    page.open(marked.address)
    order = []
    for _ in range(40):
        page.press("Tab")
        order.append(
            page.page.evaluate(
                "() => { const e = document.activeElement;"
                " const part = e.closest('header, #tools, #stage, aside, #transport, .lane-track');"
                " const line = getComputedStyle(e).outlineStyle;"
                " return [part ? part.id || part.className || part.tagName : 'none', line]; }"
            )
        )
    parts = [part for part, _ in order if part != "none"]
    first = {part: parts.index(part) for part in dict.fromkeys(parts)}
    assert list(first)[:5] == ["bar", "tools", "stage", "side", "transport"]
    assert all(line == "solid" for part, line in order if part != "none")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1024, 768), (768, 1024), (390, 844)])
def test_fits_the_window(
    browser, marked: StudioSession, width: int, height: int, scheme: str
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, has_touch=width < 1400
    )
    page = Page(context.new_page())
    page.open(marked.address)
    page.wait_for_masks(1)
    page.screenshot(f"page-{width}-{scheme}")
    assert page.page.evaluate(OUT_OF_REACH) == []
    assert page.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    assert page.problems == []
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser, marked: StudioSession, scheme: str) -> None:
    named = os.environ.get("PERSAM_VIDEO_AXE")
    if not named:
        pytest.skip("PERSAM_VIDEO_AXE does not name axe.min.js (npm install axe-core)")
    # only axe itself needs the policy off: it is put into the page as a script
    context = browser.new_context(color_scheme=scheme, bypass_csp=True)
    page = Page(context.new_page())
    page.open(marked.address)
    page.wait_for_masks(1)
    source = Path(named).read_text("utf-8")
    for dialog in (None, "help", "export", "open"):
        if dialog is not None:
            page.page.locator(f"#{dialog}-button").click()
            page.page.wait_for_selector(f"#{dialog}-dialog[open]")
            page.page.wait_for_timeout(300)  # what the dialog reads from the server
        page.page.evaluate(source)
        found = page.page.evaluate("() => axe.run(document)")
        assert [(v["id"], v["nodes"][0]["html"]) for v in found["violations"]] == [], dialog
        page.press("Escape")
    context.close()
