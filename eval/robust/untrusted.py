"""Malicious files: nothing is executed or written elsewhere, and the error is one line."""

import html
import json
import os
import pickle
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from unittest import mock

import numpy as np
from PIL import EpsImagePlugin, Image

from eval.robust.case import Case, expect
from persam_video.batch.jobs import read_jobs
from persam_video.config import load_settings
from persam_video.davis.dataset import DavisDataset
from persam_video.davis.evaluation import evaluate
from persam_video.errors import PersamVideoError
from persam_video.masks import read_annotation
from persam_video.masks.png import write_label_png
from persam_video.report.page import write_report
from persam_video.sam.build import load_sam
from persam_video.sam.download import cached_path
from persam_video.sam.registry import MODELS
from persam_video.util.archive import extract
from persam_video.util.download import RemoteFile, check_address, download_file
from persam_video.video import FrameStream


class _Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._trace),)


def refuses(
    use: Callable[[Path], object], says: str, *, untouched: str = "outside"
) -> Callable[[Path], str]:
    """Return a check that using a file is one error and writes nothing outside the folder."""

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


def _cached_checkpoint(folder: Path) -> object:
    """Replace the published file by another one, and load the model."""
    spec = MODELS["vit_t"]
    with mock.patch.dict(os.environ, {"TORCH_HOME": str(folder)}):
        if spec.weights is None:
            raise ValueError(f"{spec.name} has no published file")
        file = cached_path(spec.weights)
        file.parent.mkdir(parents=True)
        file.write_bytes(pickle.dumps({"model": _Bomb(folder.parent / "outside")}))
        return load_sam(spec.name, device="cpu")


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def _bomb_image(folder: Path, width: int = 60_000, height: int = 60_000, more: bytes = b"") -> Path:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = _chunk(b"IDAT", zlib.compress(bytes(99)))
    body = _chunk(b"IHDR", header) + more + pixels + _chunk(b"IEND", b"")
    path = folder / "00000.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


def _text_bomb(folder: Path) -> Path:
    """Write an image with a comment that unpacks to a gibibyte."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(1 << 10)) + packer.flush()
    return _bomb_image(folder, 9, 10, _chunk(b"zTXt", b"Comment\0\0" + packed))


def _starts_a_program(folder: Path) -> object:
    """Read an image of a format that Pillow reads by starting Ghostscript."""
    program, frames = folder / "gs", folder / "frames"
    program.write_text(f"#!/bin/sh\nmkdir '{folder.parent}/outside'\n")
    program.chmod(0o755)
    frames.mkdir()
    Image.fromarray(np.zeros((4, 5, 3), np.uint8)).save(frames / "00000.png", "EPS")
    found = mock.patch.dict(os.environ, {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"})
    with found, mock.patch.object(EpsImagePlugin, "gs_binary", None):
        return FrameStream(frames)


def _yaml(text: str) -> Callable[[Path], object]:
    def use(folder: Path) -> object:
        (folder / "mine.yaml").write_text(text)
        return load_settings(folder / "mine.yaml")

    return use


def _archive(name: str, *, kind: int = 0, size: int = 4) -> Callable[[Path], object]:
    """Return a function that unpacks a ZIP with one entry of this file type (see ``stat``)."""

    def use(folder: Path) -> object:
        entry = zipfile.ZipInfo(name)
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = (kind | 0o777) << 16
        with zipfile.ZipFile(folder / "a.zip", "w") as archive:
            archive.writestr(entry, bytes(size))
        return extract(folder / "a.zip", folder / "target")

    return use


def _archive_over_a_link(folder: Path) -> object:
    """Unpack into a folder that holds a link to another one."""
    (folder / "target").mkdir()
    (folder / "target" / "a").symlink_to(folder.parent / "outside")
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("a/b", b"text")
        archive.writestr("c/d", b"text")
    return extract(folder / "a.zip", folder / "target")


def _tar(folder: Path) -> object:
    """Unpack a TAR, the kind of archive that holds hard links and devices."""
    with tarfile.open(folder / "a.zip", "w") as archive:
        for name, kind in (("hard", tarfile.LNKTYPE), ("device", tarfile.CHRTYPE)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "../outside"
            archive.addfile(entry)
    return extract(folder / "a.zip", folder / "target")


def _job(text: str) -> Callable[[Path], object]:
    def use(folder: Path) -> object:
        (folder / "jobs.yaml").write_text(text)
        return read_jobs(folder / "jobs.yaml")

    return use


def _escaped(folder: Path) -> str:
    """Write a report of a sequence and a record whose names are HTML."""
    evil = "<img src=x onerror=alert(1)>&\"'"
    root, results = folder / "DAVIS", folder / f"results{evil}"
    labels = np.zeros((24, 32), np.uint8)
    labels[4:16, 4:20] = 1
    for place in (root / "Annotations" / "480p", results):
        (place / evil).mkdir(parents=True)
        for frame in range(4):
            write_label_png(place / evil / f"{frame:05d}.png", labels)
    (root / "JPEGImages" / "480p" / evil).mkdir(parents=True)
    (root / "ImageSets" / "2017").mkdir(parents=True)
    (root / "ImageSets" / "2017" / "val.txt").write_text(evil + "\n")
    record = {
        "model": {"name": evil, "sha256": evil},
        "settings": {evil: evil},
        "source": {evil: evil},
        "versions": {evil: evil},
        "status": "finished",
    }
    (results / "run.json").write_text(json.dumps(record))
    dataset = DavisDataset(root, 2017, "val")
    write_report(evaluate(results, dataset), dataset, folder / "report.html")
    page = (folder / "report.html").read_text(encoding="utf-8")
    expect("<img src=x" not in page, "a name stands in the page as it is")
    shown = html.unescape(page).count(evil)
    expect(shown >= 10, f"the names are shown {shown} times")
    expect("default-src 'none'" in page, "the page lets scripts run")
    return f"shown {shown} times, as text; objects have numbers only"


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
    return lambda folder: download_file(
        RemoteFile(url, 4, "0" * 64),
        folder / "file",
        publishers=("example.org",),
        otherwise="fetch it by hand",
        attempts=1,
        pause=0,
    )


@contextmanager
def _server(content: bytes, sends_on_to: str | None = None) -> Iterator[str]:
    """Serve a file on the loopback interface, or redirect to another address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if sends_on_to is None else 302)
            if sends_on_to is not None:
                self.send_header("Location", sends_on_to)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/file"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _fetch_from(content: bytes, sends_on_to: str | None = None) -> Callable[[Path], object]:
    """Return a function that downloads four bytes with a wrong hash from a local server."""

    def use(folder: Path) -> None:
        with _server(content, sends_on_to) as url:
            try:
                download_file(
                    RemoteFile(url, 4, "0" * 64),
                    folder / "file",
                    publishers=None,
                    otherwise="fetch it by hand",
                    attempts=1,
                    pause=0,
                )
            finally:
                expect(not list(folder.iterdir()), "what came was kept")

    return use


def _sent_on(url: str) -> Callable[[Path], object]:
    return lambda folder: check_address(url, ("example.org",), sent_by="https://example.org/a")


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
            refuses(_checkpoint("a.safetensors"), "not a complete weight file"),
        ),
        (
            "another file in the cache of checkpoints",
            "refused by its SHA-256 before it is loaded",
            refuses(_cached_checkpoint, "SHA-256 differs"),
        ),
        (
            "an image that would start Ghostscript",
            not_run,
            refuses(_starts_a_program, "not an image"),
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
        (
            "an image with a comment of a gibibyte",
            refused,
            refuses(lambda folder: FrameStream(_text_bomb(folder).parent), "cannot be read"),
        ),
        (
            "an annotation with a comment of a gibibyte",
            refused,
            refuses(lambda folder: read_annotation(_text_bomb(folder)), "cannot be read"),
        ),
        (
            "YAML that calls a function",
            not_run,
            refuses(_yaml("a: !!python/object/apply:os.mkdir [outside]"), "YAML"),
        ),
        (
            "a list of jobs that calls a function",
            not_run,
            refuses(_job("- !!python/object/apply:os.mkdir [outside]"), "YAML"),
        ),
        ("YAML that is code", refused, refuses(_yaml("a: !!python/name:os.system"), "YAML")),
        ("YAML of a billion aliases", refused, refuses(_yaml(LAUGHS), "alias")),
        ("YAML of lists without end", refused, refuses(_yaml("[" * 9999), "YAML")),
        ("a ZIP that climbs out", inside, refuses(_archive("../outside"), "not a path")),
        ("a ZIP of an absolute path", inside, refuses(_archive("/tmp/outside"), "not a path")),  # nosec B108
        ("a ZIP with a path of Windows", inside, refuses(_archive("..\\outside"), "not a path")),
        ("a ZIP that holds a link", inside, refuses(_archive("a", kind=stat.S_IFLNK), "link")),
        ("a ZIP that holds a device", inside, refuses(_archive("a", kind=stat.S_IFCHR), "special")),
        ("a ZIP that holds a pipe", inside, refuses(_archive("a", kind=stat.S_IFIFO), "special")),
        ("a ZIP unpacked over a link", inside, refuses(_archive_over_a_link, "is a link")),
        ("a TAR of hard links and devices", inside, refuses(_tar, "not a whole ZIP")),
        ("a ZIP bomb", refused, refuses(_archive("a", size=1 << 26), "not a dataset")),
        ("a sequence called ../outside", inside, refuses(_sequence("../outside"), "not the name")),
        ("a sequence called ..", inside, refuses(_sequence(".."), "not the name")),
        (
            "a job called ../outside",
            inside,
            refuses(_job("- {source: a.mp4, mask: a.png, name: ../outside}"), "not a folder name"),
        ),
        (
            "a job whose source is called ..",
            inside,
            refuses(_job("- {source: .., mask: a.png}"), "not a folder name"),
        ),
        ("a report of names that are HTML", "they are shown and are no HTML", _escaped),
        (
            "a download of another file",
            "refused by its SHA-256; nothing is kept",
            refuses(_fetch_from(b"evil"), "SHA-256 differs"),
        ),
        (
            "a download of a longer file",
            "refused by its size; nothing is kept",
            refuses(_fetch_from(bytes(9)), "9 bytes, the published one 4"),
        ),
        (
            "a download that is sent on to a local file",
            refused,
            refuses(_fetch_from(b"", "ftp://127.0.0.1/etc/hostname"), "not a web address"),
        ),
        (
            "a download that is sent on to another host",
            refused,
            refuses(_sent_on("https://example.com/a"), "publisher's host"),
        ),
        (
            "a download that is sent on to HTTP",
            refused,
            refuses(_sent_on("http://example.org/a"), "https"),
        ),
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
