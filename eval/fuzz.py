"""Feed damaged files to every reader of files, and look for crashes.

    python -m eval.fuzz --minutes 10 --seed 1
    python -m eval.fuzz --rounds 200                # for each reader

Good files are changed by a seeded mutator: bytes flipped, cut out, repeated, replaced by numbers at
the edge, two files spliced. A reader may take the result or raise the one error that it documents,
in one line; anything else is a crash. Each crash is printed with its seed, the file that caused it
is kept in the folder of ``--keep``, and the status is 1. Every reading has a time limit.
"""

import json
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from eval import common
from persam_video.benchmark.record import read_record
from persam_video.config import load_settings, presets
from persam_video.errors import PersamVideoError
from persam_video.masks import read_annotation
from persam_video.masks.formats import open_annotations
from persam_video.masks.png import write_label_png
from persam_video.masks.rle import encode_labels
from persam_video.sinks import RunRecord, read_run, read_tracks, write_run
from persam_video.video.image_decoder import read_image

SECONDS = 10  # for one file
LONGEST_LINE = 2000
MOST_PIXELS = 1 << 22  # of a mask that is unpacked; greater ones are only parsed

EDGES = (
    b"",
    b"\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"-1",
    b"9" * 400,
    b"1e999",
    b"NaN",
    b"null",
    b"[[[[",
    b"{}",
    b'"',
    b"\xed\xa0\x80",
    b"&a",
    b"*a",
    b"!!int",
    b"2001-99-99",
    b"0x_",
    b"\n",
    b": ",
)
# digits are what a change of text leaves readable
_DIGITS = b"0123456789"


@dataclass(frozen=True)
class Target:
    """Something that reads files.

    Attributes:
        name: of what it reads.
        suffix: of its files.
        samples: good files.
        read: reads a file, and looks at all of it.
    """

    name: str
    suffix: str
    samples: tuple[bytes, ...]
    read: Callable[[Path], object]


@dataclass(frozen=True)
class Crash:
    """A file that a reader could not stand.

    Attributes:
        target: what was read.
        seed: of the mutation.
        error: what happened.
        data: the file.
    """

    target: str
    seed: int
    error: str
    data: bytes


def mutate(samples: tuple[bytes, ...], rng: random.Random) -> bytes:
    """Return a damaged copy of a sample."""
    data = bytearray(rng.choice(samples))
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        place = rng.randrange(len(data) + 1)
        length = rng.choice((1, 2, 4, 16, 200))
        match rng.randrange(7):
            case 0:
                if data:
                    data[min(place, len(data) - 1)] ^= 1 << rng.randrange(8)
            case 1:
                del data[place : place + length]
            case 2:
                data[place:place] = data[place : place + length] * rng.choice((1, 2, 50))
            case 3:
                data[place : place + rng.choice((0, 1, 4))] = rng.choice(EDGES)
            case 4:
                other = rng.choice(samples)
                begin = rng.randrange(len(other) + 1)
                data[place : place + length] = other[begin : begin + length]
            case 5:
                del data[place:]
            case _:
                digits = [n for n, byte in enumerate(data) if byte in _DIGITS]
                if digits:
                    at = rng.choice(digits)
                    data[at : at + 1] = str(rng.choice((0, 7, -1, 255, 256, 2**31, 2**63))).encode()
    return bytes(data)


def fuzz(target: Target, seed: int, folder: Path) -> Crash | None:
    """Read one damaged file; return the crash, if any."""
    data = mutate(target.samples, random.Random(f"{target.name} {seed}"))
    path = folder / f"file{target.suffix}"
    path.write_bytes(data)
    try:
        with _time_limit():
            target.read(path)
    except PersamVideoError as error:
        words = str(error)
        if "\n" not in words and len(words) < LONGEST_LINE:
            return None
        return Crash(target.name, seed, f"not one short line: {words[:200]!r}", data)
    except Exception as error:
        return Crash(target.name, seed, f"{type(error).__name__}: {str(error)[:200]}", data)
    return None


@contextmanager
def _time_limit() -> Iterator[None]:
    def end(number: int, frame: object) -> None:
        raise TimeoutError(f"no end after {SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def targets() -> tuple[Target, ...]:
    """Return all readers of files."""
    masks, photos = _images()
    return (
        Target("annotation", ".png", masks, read_annotation),
        Target("annotation file", "", _annotation_files(), _read_frames),
        Target("photo", ".png", photos, read_image),
        Target("settings", ".yaml", _settings(), load_settings),
        Target("run record", ".json", (_run(),), lambda path: _use(read_run(path), path)),
        Target("benchmark record", ".json", (_run(),), lambda path: _use(read_record(path), path)),
        Target("tracks", ".jsonl", (_tracks(),), _read_masks),
    )


def _annotation_files() -> tuple[bytes, ...]:
    """Return the files of other programs that the tests keep."""
    files = Path(__file__).parents[1] / "tests" / "masks" / "formats" / "files"
    return tuple(path.read_bytes() for path in sorted(files.rglob("*.[jx]*")))


def _read_frames(path: Path) -> None:
    with open_annotations(path) as found:
        for frame in found.frames:
            found.annotations([frame], (64, 96))


def _use(record: RunRecord, path: Path) -> None:
    """Read a run as resuming it does."""
    write_run(path, record)
    for name, seconds in record.timings.items():
        f"{name} {seconds / max(record.frames_done, 1):.1f}"
    "\n".join([*record.warnings[:0], record.model.name, record.model.sha256, record.started])
    record.settings.get("prior"), record.source.get("name"), record.versions.items()


def _read_masks(path: Path) -> None:
    for record in read_tracks(path):
        for tracked in record.objects:
            height, width = tracked.segmentation["size"]
            if 0 <= height * width <= MOST_PIXELS:
                try:
                    tracked.mask()
                except ValueError:  # the error that it documents
                    continue


def _labels() -> "np.ndarray[tuple[int, int], np.dtype[np.uint8]]":
    labels = np.zeros((24, 40), np.uint8)
    labels[4:12, 5:20], labels[10:22, 24:36] = 1, 7
    return labels


def _images() -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    labels = _labels()
    rgb = np.stack([labels * 30, labels * 20, labels], axis=2)

    def saved(image: Image.Image, kind: str) -> bytes:
        buffer = BytesIO()
        image.save(buffer, kind)
        return buffer.getvalue()

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mask.png"
        write_label_png(path, labels)
        indexed = path.read_bytes()
    grey = Image.fromarray(labels)
    masks = [indexed, *(saved(grey, kind) for kind in ("PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM"))]
    masks.append(saved(Image.fromarray(labels.astype(np.uint16) * 257), "PNG"))
    colour = Image.fromarray(rgb)
    photos = [saved(colour, kind) for kind in ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "PPM", "GIF")]
    return (*masks, saved(Image.fromarray((labels > 0).astype(np.uint8) * 255), "JPEG")), (*photos,)


def _settings() -> tuple[bytes, ...]:
    return tuple(file.read_bytes() for file in presets().values())


def _run() -> bytes:
    record = {
        "model": {"name": "lite", "sha256": "ab" * 32},
        "settings": {"prior": {"alpha": 0.5}},
        "source": {"name": "a.mp4", "fps": "25", "width": 40},
        "status": "finished",
        "started": "2026-01-01T00:00:00+00:00",
        "versions": {"python": "3.11"},
        "frames_done": 3,
        "timings": {"track": 1.5},
        "warnings": ["the video ends early"],
        "error": None,
        "sequences": {"dog": {"frames": 3, "seconds": 1.5, "masks_sha256": "cd" * 32}},
    }
    return json.dumps(record, indent=1).encode()


def _tracks() -> bytes:
    codes = encode_labels(_labels(), (1, 7))
    lines = []
    for number in range(4):
        objects = [
            {
                "id": object_id,
                "state": "tracked",
                "score": 0.5,
                "box": [5, 4, 15, 8],
                "area": 120,
                "segmentation": code,
            }
            for object_id, code in codes.items()
        ]
        lines.append(json.dumps({"frame": number, "time": number / 25, "objects": objects}))
    return ("\n".join(lines) + "\n").encode()


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument(
        "--rounds", type=common.count, help="files for each reader, instead of a time limit"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder to keep files that crash a reader")
    options = parser.parse_args()
    end = time.monotonic() + 60 * options.minutes
    everyone = targets()
    crashes: dict[tuple[str, str], Crash] = {}
    number = 0
    with tempfile.TemporaryDirectory() as folder:
        while number < options.rounds if options.rounds else time.monotonic() < end:
            for target in everyone:
                crash = fuzz(target, options.seed * 10_000_000 + number, Path(folder))
                if crash is None or (target.name, crash.error[:40]) in crashes:
                    continue
                crashes[target.name, crash.error[:40]] = crash
                print(f"{crash.target}, seed {crash.seed}: {crash.error}", flush=True)
                if options.keep is not None:
                    options.keep.mkdir(parents=True, exist_ok=True)
                    name = f"{target.name.replace(' ', '_')}_{crash.seed}{target.suffix}"
                    (options.keep / name).write_bytes(crash.data)
            number += 1
    print(f"{number} files for each of {len(everyone)} readers, {len(crashes)} kinds of crash")
    sys.exit(1 if crashes else 0)


if __name__ == "__main__":
    common.run(main)
