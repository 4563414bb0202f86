"""Sources, masks and boxes of wrong types, kinds and ranges, and in unusual places."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from eval.robust.case import Case, UnexpectedError, expect
from persam_video.errors import PersamVideoError
from persam_video.masks import load_annotation, read_annotation
from persam_video.masks.png import write_label_png
from persam_video.prompting import parse_prompts
from persam_video.video import FrameStream
from persam_video.video.pixels import as_rgb
from persam_video.video.source import locate

SIZE = (48, 64)
ONE_LINE = "one error that says what was found and what to do"


def refused(try_it: Callable[[], object], says: str, folder: Path) -> str:
    """Expect an error of one line with a message; return it without the folder."""
    try:
        done = try_it()
    except PersamVideoError as error:
        words = str(error).replace(str(folder), "FOLDER")
        expect(says in words and "\n" not in words and len(words) < 400, words)
        return f"error: {words}"
    raise UnexpectedError(f"no error: {done}")


def photo(seed: int) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(noise).resize(SIZE[::-1], Image.Resampling.BICUBIC)


def labels() -> np.ndarray[Any, np.dtype[np.uint8]]:
    made = np.zeros(SIZE, np.uint8)
    made[10:30, 10:30] = 1
    return made


def _source(make: Callable[[], Any], says: str) -> Callable[[Path], str]:
    return lambda folder: refused(lambda: locate(make()), says, folder)


def _frame(make: Callable[[], Any], says: str) -> Callable[[Path], str]:
    return lambda folder: refused(lambda: as_rgb(make()), says, folder)


def _mask(make: Callable[[], Any], says: str) -> Callable[[Path], str]:
    return lambda folder: refused(lambda: load_annotation(make(), SIZE), says, folder)


def _prompt(boxes: list[str], points: list[str], says: str) -> Callable[[Path], str]:
    def place() -> list[object]:
        return [prompt.in_pixels(SIZE) for prompt in parse_prompts(boxes, points)]

    return lambda folder: refused(place, says, folder)


def _beside(frame: str, mask: str) -> Callable[[Path], str]:
    def check(folder: Path) -> str:
        frames = folder / "frames"
        frames.mkdir()
        for index in range(4):
            photo(index).save(frames / frame.format(index))
            write_label_png(frames / mask.format(index), labels())
        return refused(lambda: FrameStream(frames), "masks beside the frames", folder)

    return check


def _photos_of_two_types(folder: Path) -> str:
    for index in range(4):
        photo(index).save(folder / f"{index}.jpg")
        photo(index).save(folder / f"{index}.png")
    with FrameStream(folder) as stream:
        count = len(list(stream))
    expect(count == 8, f"{count} frames")
    return "8 frames"


def _pictures(name: str, **options: Any) -> Callable[[Path], str]:
    def check(folder: Path) -> str:
        first, *others = (photo(index) for index in range(5))
        first.save(folder / name, save_all=True, append_images=others, **options)
        with FrameStream(folder / name) as stream:
            count = len(list(stream))
        expect(count == 5, f"{count} frames")
        return "5 frames"

    return check


def _ids(values: np.ndarray[Any, Any], expected: Iterable[int], mode: str) -> Callable[[Path], str]:
    def check(folder: Path) -> str:
        Image.fromarray(values.astype(np.uint8)).convert(mode).save(folder / "mask.png")
        found = read_annotation(folder / "mask.png").object_ids
        expect(found == tuple(expected), f"objects {found}")
        return f"objects {found}"

    return check


def cases() -> list[Case]:
    """Return the cases of wrong or unusual sources, frames, masks and prompts."""
    logits = np.where(labels(), 8.0, -8.0)
    refusals = {
        "a list of arrays as source": _source(lambda: [np.zeros((9, 9, 3))] * 30, "of type list"),
        "an array as source": _source(lambda: np.zeros((4, 9, 9, 3), np.uint8), "uint8 of shape"),
        "a dict as source": _source(lambda: {0: "a.jpg"}, "of type dict"),
        "an image as source": _source(lambda: photo(0), "of type Image"),
        "bytes as source": _source(lambda: b"a.mp4", "of type bytes"),
        "True as source": _source(lambda: True, "of type bool"),
        "a frame of floats": _frame(lambda: np.zeros((9, 9, 3)), "float64"),
        "a frame of 16 bits": _frame(lambda: np.zeros((9, 9, 3), np.uint16), "uint16"),
        "a list as frame": _frame(lambda: [[1, 2, 3]], "list"),
        "logits as mask": _mask(lambda: logits, "logits"),
        "probabilities as mask": _mask(lambda: 1 / (1 + np.exp(-logits)), "probabilities"),
        "NaN as mask": _mask(lambda: logits * np.nan, "not finite"),
        "-1 and 1 as mask": _mask(lambda: np.sign(logits).astype(int), "from -1 to 1"),
        "a mask on its side": _mask(lambda: labels().T, "turn"),
        "a box in shares of the frame": _prompt(["1:0.1,0.3,0.4,0.6"], [], "%"),
        "a box between pixels": _prompt(["1:5.6,5.6,6.4,6.4"], [], "pixel"),
        "a box beyond 100 %": _prompt(["1:10%,10%,120%,90%"], [], "%"),
        "masks beside frames of one name": _beside("{:05d}.jpg", "{:05d}.png"),
        "masks beside frames, named _mask": _beside("{:05d}.png", "{:05d}_mask.png"),
        "masks of other names among JPEGs": _beside("frame{}.jpg", "object{}.png"),
    }
    return [
        *(Case("inputs", name, ONE_LINE, check) for name, check in refusals.items()),
        Case("inputs", "photos in two types", "all are frames", _photos_of_two_types),
        Case("inputs", "a TIFF of five pictures", "5 frames", _pictures("a.tiff")),
        Case("inputs", "an animated WebP", "5 frames", _pictures("a.webp", lossless=True)),
        Case("inputs", "an animated PNG", "5 frames", _pictures("a.png")),
        Case("inputs", "a mask of 0 and 255", "object 1", _ids(labels() * 255, (1,), "L")),
        Case("inputs", "a mask of 0 and 255, 1 bit", "object 1", _ids(labels() * 255, (1,), "1")),
        Case("inputs", "a mask of 0 and 255 in RGB", "object 1", _ids(labels() * 255, (1,), "RGB")),
    ]
