"""Files that mean harm: nothing runs, nothing is written elsewhere, and the error is one line."""

import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from persam_video.config import load_settings
from persam_video.davis.archive import extract
from persam_video.davis.dataset import DavisDataset
from persam_video.download import RemoteFile, download
from persam_video.errors import PersamVideoError
from persam_video.masks.annotation import read_annotation
from persam_video.sam.build import load_sam
from persam_video.video import FrameStream
from robust.case import Case, expect


class _Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._trace),)


def refuses(
    use: Callable[[Path], object], says: str, *, untouched: str = "outside"
) -> Callable[[Path], str]:
    """Return a check that using something is one error, and leaves no trace outside."""

    def check(folder: Path) -> str:
        inside = folder / "inside"
        inside.mkdir()
        try:
            use(inside)
        except PersamVideoError as error:
            told = str(error)
            expect("\n" not in told and len(told) < 600, f"not one short line: {told}")
            expect(says in told, told)
            expect(not (folder / untouched).exists(), "wrote outside of its folder")
            expect(sorted(p.name for p in folder.iterdir()) == ["inside"], "left a trace")
            return "error: " + told.replace(str(inside), "FOLDER")
        expect(False, "was taken")
        return ""

    return check


def _checkpoint(name: str) -> Callable[[Path], object]:
    def use(folder: Path) -> object:
        file = folder / name
        file.write_bytes(pickle.dumps({"model": _Bomb(folder.parent / "outside")}))
        return load_sam("vit_b", file, device="cpu")

    return use


def _bomb_image(folder: Path, width: int = 60_000, height: int = 60_000) -> Path:
    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    path = folder / "00000.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


def _yaml(text: str) -> Callable[[Path], object]:
    def use(folder: Path) -> object:
        (folder / "mine.yaml").write_text(text)
        return load_settings(folder / "mine.yaml")

    return use


def _archive(name: str, *, link: bool = False, size: int = 4) -> Callable[[Path], object]:
    def use(folder: Path) -> object:
        entry = zipfile.ZipInfo(name)
        entry.compress_type = zipfile.ZIP_DEFLATED
        if link:
            entry.external_attr = 0o120777 << 16
        with zipfile.ZipFile(folder / "a.zip", "w") as archive:
            archive.writestr(entry, bytes(size))
        return extract(folder / "a.zip", folder / "target")

    return use


def _sequence(name: str) -> Callable[[Path], object]:
    def use(folder: Path) -> object:
        sets = folder / "ImageSets" / "2017"
        sets.mkdir(parents=True)
        for place in ("Annotations", "JPEGImages"):
            (folder / place / "480p").mkdir(parents=True)
        (sets / "val.txt").write_text(name + "\n")
        return DavisDataset(folder, 2017, "val").names

    return use


def _fetch(url: str) -> Callable[[Path], object]:
    return lambda folder: download(
        RemoteFile(url, 4, "0" * 64),
        folder / "file",
        publishers=("example.org",),
        otherwise="fetch it by hand",
        attempts=1,
        pause=0,
    )


def _spoilt_video(folder: Path) -> Path:
    path = folder / "list.mp4"
    path.write_text("ffconcat version 1.0\nfile /etc/hostname\n")
    return path


LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n"
    for old, new in zip("abcdefghijk", "bcdefghijkl", strict=True)
)


def cases() -> list[Case]:
    """Return the cases of untrusted input."""
    not_run = "refused; the code in it does not run"
    inside = "refused; nothing is written outside of the folder"
    refused = "one error"
    table: list[tuple[str, str, Callable[[Path], str]]] = [
        ("a pickle bomb as .pth", not_run, refuses(_checkpoint("a.pth"), "code in a file")),
        (
            "a pickle bomb as .safetensors",
            not_run,
            refuses(_checkpoint("a.safetensors"), "not a whole weight file"),
        ),
        (
            "a decompression bomb as annotation",
            refused,
            refuses(lambda folder: read_annotation(_bomb_image(folder)), "pixels"),
        ),
        (
            "a decompression bomb among images",
            refused,
            refuses(lambda folder: FrameStream(_bomb_image(folder).parent), "too large"),
        ),
        (
            "a decompression bomb that PIL only warns of",
            refused,
            refuses(lambda f: FrameStream(_bomb_image(f, 12_000, 12_000).parent), "too large"),
        ),
        ("YAML that is code", refused, refuses(_yaml("a: !!python/name:os.system"), "YAML")),
        ("YAML of a billion aliases", refused, refuses(_yaml(LAUGHS), "alias")),
        ("YAML of lists without end", refused, refuses(_yaml("[" * 9999), "YAML")),
        ("a ZIP that climbs out", inside, refuses(_archive("../outside"), "not a path")),
        ("a ZIP of an absolute path", inside, refuses(_archive("/tmp/outside"), "not a path")),  # nosec B108
        ("a ZIP that holds a link", inside, refuses(_archive("link", link=True), "link")),
        ("a ZIP bomb", refused, refuses(_archive("a", size=1 << 26), "not a dataset")),
        ("a sequence called ../outside", inside, refuses(_sequence("../outside"), "not the name")),
        ("a sequence called ..", inside, refuses(_sequence(".."), "not the name")),
        ("a download by HTTP", refused, refuses(_fetch("http://example.org/a"), "https")),
        ("a download from elsewhere", refused, refuses(_fetch("https://example.com/a"), "example")),
        ("a download of a local file", refused, refuses(_fetch("file:///etc/hostname"), "file")),
        (
            "a video that lists other files",
            refused,
            refuses(lambda folder: FrameStream(_spoilt_video(folder)), "list.mp4"),
        ),
    ]
    return [Case("untrusted", name, expected, check) for name, expected, check in table]
