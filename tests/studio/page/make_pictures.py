"""Make the pictures of the studio for the documentation: an animation and a still.

python -m tests.studio.page.make_pictures docs
"""

import argparse
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw
from playwright.sync_api import sync_playwright

from persam_video.synthetic import SyntheticClip, demo
from persam_video.util.atomic import write_bytes
from tests.studio.page.browser import ARGUMENTS, Page, chromium, running_studio

SIZE = (1200, 760)
SHOWN = (660, 418)  # of the animation
COLOURS = 128
LENGTH = 24
STRIDE = 2  # of the tracked frames that are shown
VIVID = ("#ff4040", "#38e038", "#e0e038", "#2dd4bf", "#fbb24c", "#ffffff", "#1a2220")
_ARROW = ((0, 0), (0, 17), (4, 13), (7, 20), (10, 19), (7, 12), (12, 12))


class Film:
    """Pictures of a page with the time that each is shown, and the pointer drawn in."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._pointer = (SIZE[0] / 2, SIZE[1] * 0.8)
        self.pictures: list[Image.Image] = []
        self.times: list[int] = []

    def take(self, milliseconds: int) -> None:
        """Take a picture that is shown for so long."""
        picture = Image.open(io.BytesIO(self._page.page.screenshot())).convert("RGB")
        left, top = self._pointer
        arrow = [(left + x, top + y) for x, y in _ARROW]
        ImageDraw.Draw(picture).polygon(arrow, fill="white", outline="black")
        self.pictures.append(picture.resize(SHOWN, Image.Resampling.LANCZOS))
        self.times.append(milliseconds)

    def move(self, x: float, y: float, steps: int = 3) -> None:
        """Move the pointer to a point of the window."""
        from_x, from_y = self._pointer
        for step in range(1, steps + 1):
            part = step / steps
            self._pointer = (from_x + (x - from_x) * part, from_y + (y - from_y) * part)
            self._page.page.mouse.move(*self._pointer)
            self.take(110)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Draw a box between two points of the window."""
        self.move(*start)
        self._page.page.mouse.down()
        self.move(*end, steps=4)
        self._page.page.mouse.up()

    def click(self, selector: str) -> None:
        """Move to an element and click it."""
        box = self._page.page.locator(selector).bounding_box()
        assert box is not None
        self.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        self._page.page.mouse.click(*self._pointer)

    def save(self, path: Path) -> None:
        """Write the animation."""
        # a palette for all pictures, or colours would flicker; the vivid ones get a strip of their
        # own, as small areas would lose them
        begin, end = self.pictures[0], self.pictures[-2]
        sample = Image.new("RGB", (SHOWN[0], SHOWN[1] * 2 + len(VIVID) * 40))
        sample.paste(begin, (0, 0))
        sample.paste(end, (0, SHOWN[1]))
        for place, colour in enumerate(VIVID):
            sample.paste(
                colour, (0, SHOWN[1] * 2 + 40 * place, SHOWN[0], SHOWN[1] * 2 + 40 * place + 40)
            )
        palette = sample.quantize(COLOURS, Image.Quantize.MEDIANCUT)
        first, *others = [
            picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in self.pictures
        ]
        data = io.BytesIO()
        first.save(
            data,
            "GIF",
            save_all=True,
            append_images=others,
            duration=self.times,
            loop=0,
            optimize=True,
        )
        write_bytes(path, data.getvalue())


def play(page: Page, folder: Path) -> None:
    """Mark three objects, track them, look at what came out, and at the exports."""
    film = Film(page)
    page.page.wait_for_timeout(3000)  # for the thumbnails
    film.take(900)
    film.drag(page.place(95, 40), page.place(255, 165))  # around the koi
    page.wait_for_masks(1)
    film.take(700)
    page.press("a")
    film.move(*page.place(537, 208))  # on the ball
    page.page.mouse.click(*page.place(537, 208))
    page.wait_for_masks(1, 2)
    film.take(600)
    page.press("a")
    film.drag(page.place(178, 195), page.place(314, 327))  # around the leaf
    page.wait_for_masks(1, 2, 3)
    film.take(600)
    film.click("#track .primary")
    page.page.wait_for_selector("#job:not([hidden])")
    seen = 0
    while page.page.locator("#job:not([hidden])").count():
        shown = int(page.page.locator("#stage").get_attribute("data-frame") or 0)
        if shown >= seen + STRIDE:
            film.take(160)
            seen = shown
        page.page.wait_for_timeout(150)
    page.page.wait_for_timeout(1500)
    for close in page.page.locator(".toast button").all():
        close.click()
    film.take(800)
    still = Image.open(io.BytesIO(page.page.screenshot())).convert("RGB")
    track = page.page.locator(".lane-track").bounding_box()
    assert track is not None
    for part in (0.85, 0.6, 0.35):
        film.move(track["x"] + part * track["width"], track["y"] + 45, steps=1)
        page.page.mouse.click(track["x"] + part * track["width"], track["y"] + 45)
        page.page.wait_for_timeout(1000)
        film.take(350)
    film.click("#export-button")
    page.page.wait_for_function(
        "() => document.querySelector('.preview:not([hidden])')?.naturalWidth > 0"
    )
    film.take(1800)
    film.save(folder / "studio.gif")
    data = io.BytesIO()
    still.quantize(256).save(data, "PNG", optimize=True)
    write_bytes(folder / "studio.png", data.getvalue())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("folder", type=Path, help="where studio.gif and studio.png go")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        clip = SyntheticClip(demo().objects, length=LENGTH).write(Path(folder) / "clip")
        video = clip.video.rename(clip.video.with_name("pond.mp4"))
        with running_studio(video, "--out", Path(folder) / "session") as studio:
            browser = driver.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
            context = browser.new_context(
                viewport={"width": SIZE[0], "height": SIZE[1]}, color_scheme="dark"
            )
            page = Page(context.new_page())
            page.open(studio.address)
            play(page, args.folder)
            browser.close()


if __name__ == "__main__":
    main()
