"""Make ``docs/styles.jpg``: one frame of the demonstration in every style.

    python tools/make_styles_sheet.py [docs/styles.jpg]

The masks are the clip's true ones, so that the sheet shows the styles and nothing else.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from persam_video.drawing.overlay_style import OverlayStyle
from persam_video.drawing.styles import STYLES
from persam_video.run.export import render_frame
from persam_video.sinks.outputs import SinkOptions
from persam_video.synthetic import demo

FRAME = 40
TILE = (320, 180)
COLUMNS = 3
CAPTION = 22
GAP = 6
QUALITY = 82

NAMES = {1: "koi", 2: "ball", 3: "leaf"}
VALUES = {
    "anonymise": ("pixelate", "blur", "fill", "blur-rest"),
    "background": ("#1d4e89", "{film}"),
    "follow": ("9:16", "1:1"),
    "trail": ("1.5",),
}
TOGETHER = (
    ("spotlight", "trail=1.5", "follow=1:1"),
    ("anonymise", "side-by-side"),
)


def shown() -> list[tuple[str, ...]]:
    """Return the style of each tile: every style, some with values, and combinations."""
    single = [
        (f"{name}={value}" if value else name,)
        for name in STYLES
        for value in VALUES.get(name, ("",))
    ]
    return [*single, *TOGETHER]


def tile(picture: NDArray[np.uint8], caption: str) -> Image.Image:
    """Fit a picture into a tile, with a caption below."""
    made = Image.new("RGB", (TILE[0], TILE[1] + CAPTION), "white")
    image = Image.fromarray(picture)
    image.thumbnail(TILE, Image.Resampling.LANCZOS)
    made.paste(image, ((TILE[0] - image.width) // 2, (TILE[1] - image.height) // 2))
    font = ImageFont.load_default(14)
    ImageDraw.Draw(made).text((2, TILE[1] + 2), caption, fill="black", font=font)
    return made


def main(out: Path) -> None:
    """Write the sheet."""
    with TemporaryDirectory() as folder:
        place = Path(folder)
        clip = demo().write(place / "clip")
        film = place / "film.png"
        rows, columns = np.indices((360, 640))
        sky = np.stack((rows // 3 + 90, rows // 3 + 60, 230 - columns // 8), axis=2)
        Image.fromarray(sky.astype(np.uint8)).save(film)
        tiles = []
        for styles in shown():
            style = OverlayStyle(tuple(text.format(film=film) for text in styles))
            picture = place / "look.png"
            options = SinkOptions(style=style, names=NAMES if styles == ("labels",) else {})
            render_frame(clip.truth, clip.video, picture, FRAME, options=options, overwrite=True)
            caption = " + ".join(styles).format(film="PICTURE")
            tiles.append(tile(np.asarray(Image.open(picture)), caption))
    wide, high = tiles[0].size
    lines = -(-len(tiles) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (wide + GAP) - GAP, lines * (high + GAP) - GAP), "white")
    for number, entry in enumerate(tiles):
        line, column = divmod(number, COLUMNS)
        sheet.paste(entry, (column * (wide + GAP), line * (high + GAP)))
    sheet.save(out, quality=QUALITY)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("docs/styles.jpg"))
