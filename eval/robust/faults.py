"""Runs that are ended from outside: what was finished is whole, and the error is one line."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from persam_video.masks.png import read_label_png, write_label_png
from persam_video.sinks import RunStatus, read_run, read_tracks
from persam_video.video.camera_decoder import CameraDecoder
from persam_video.video.selection import Selection
from persam_video.video.source import Location, SourceKind
from persam_video.video.writer import VideoWriter
from robust.case import Case, NotHereError, expect

FRAMES = 150
SIZE = (96, 64)
USER_ERROR, INTERRUPTED = 2, 130
PATIENCE = 170.0  # seconds to wait for a frame, or for the end


@dataclass(frozen=True)
class Kept:
    """What a run left behind.

    Attributes:
        masks: how many masks.
        lines: how many lines of tracks.
        overlay: how many frames the overlay video has; ``None`` without one.
        status: of the record; ``None`` without one.
    """

    masks: int
    lines: int
    overlay: int | None
    status: RunStatus | None

    def __str__(self) -> str:
        overlay = "no video" if self.overlay is None else f"a video of {self.overlay} frames"
        status = "no record" if self.status is None else f"status {self.status.value}"
        return f"{self.masks} masks, {self.lines} lines, {overlay}, {status}"


@dataclass(frozen=True)
class Run:
    """A run of the program in a folder.

    Attributes:
        process: the program.
        out: its output folder.
    """

    process: "subprocess.Popen[str]"
    out: Path

    def wait_for(self, frames: int) -> None:
        """Wait until so many frames are written, or the program ends."""
        end = time.monotonic() + PATIENCE
        tracks = self.out / "tracks.jsonl"
        while self.process.poll() is None and time.monotonic() < end:
            if tracks.exists() and tracks.read_bytes().count(b"\n") >= frames:
                return
            time.sleep(0.005)

    def end(self) -> tuple[int, str]:
        """Wait for the end; return the exit status and what was printed as an error."""
        _, errors = self.process.communicate(timeout=PATIENCE)
        expect("Traceback" not in errors, "traceback: " + " ".join(errors.split()[-25:]))
        return self.process.returncode, errors.strip()


def start(folder: Path, out: Path, *options: str) -> Run:
    """Start a run on a clip with a moving square."""
    clip, mask = folder / "clip.mp4", folder / "mask.png"
    if not clip.exists():
        with VideoWriter(clip, size=SIZE, fps=Fraction(25)) as writer:
            for number in range(FRAMES):
                writer.write(_picture(number))
        write_label_png(mask, (_picture(0)[..., 0] > 200).astype(np.uint8))
    command = [sys.executable, "-m", "persam_video", "track", str(clip), "--mask", str(mask)]
    # a process in the background may have been told to ignore Ctrl-C, and would hand that on
    signal.signal(signal.SIGINT, signal.default_int_handler)
    settings = ["--set", "model.image_size=128", "--device", "cpu"]
    return Run(
        subprocess.Popen(
            [*command, "--out", str(out), *settings, *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ),
        out,
    )


def kept(out: Path) -> Kept:
    """Read everything that a run left behind; what cannot be read raises."""
    masks = sorted((out / "masks").glob("[0-9]*.png")) if (out / "masks").is_dir() else []
    for mask in masks:
        expect(read_label_png(mask).shape == SIZE[::-1], f"{mask.name} has another size")
    expect(
        [mask.stem for mask in masks] == [f"{n:05d}" for n in range(len(masks))],
        "masks are missing in between",
    )
    tracks, overlay, record = out / "tracks.jsonl", out / "overlay.mp4", out / "run.json"
    lines = list(read_tracks(tracks)) if tracks.exists() else []
    expect([line.frame for line in lines] == list(range(len(lines))), "lines are missing")
    frames = None
    if overlay.exists():
        with av.open(str(overlay)) as container:
            frames = sum(1 for _ in container.decode(video=0))
    return Kept(
        len(masks), len(lines), frames, read_run(record).status if record.exists() else None
    )


def signalled(*signals: int, after: int) -> Callable[[Path], str]:
    """Return a check that signals, sent once some frames are written, end a run in order."""

    def check(folder: Path) -> str:
        run = start(folder, folder / "out")
        run.wait_for(after)
        for number in signals:
            run.process.send_signal(number)
            time.sleep(0.02)
        status, _ = run.end()
        found = kept(run.out)
        expect(status == INTERRUPTED, f"exit status {status}, {found}")
        expect(found.status is RunStatus.INTERRUPTED, str(found))
        expect(found.masks == found.lines == found.overlay, str(found))
        expect(after <= found.masks < FRAMES, str(found))
        expect(not _left_over(run.out), f"left over: {_left_over(run.out)}")
        return f"exit status {status}; {found}"

    return check


def killed(seed: int) -> Callable[[Path], str]:
    """Return a check that a kill at a random moment leaves whole files only."""

    def check(folder: Path) -> str:
        run = start(folder, folder / "out")
        rng = np.random.default_rng(seed)
        run.wait_for(int(rng.integers(0, FRAMES // 2)))
        time.sleep(float(rng.random()) * 0.05)
        run.process.kill()
        run.end()
        found = kept(run.out)
        expect(found.status in (RunStatus.RUNNING, None), str(found))
        expect(found.overlay is None, str(found))
        again, errors = start(folder, folder / "out", "--overwrite", "--stop", "3").end()
        expect(again == 0, errors)
        whole = kept(run.out)
        expect(whole.masks == whole.lines == whole.overlay == 3, f"again: {whole}")
        expect(not _left_over(run.out), f"left over: {_left_over(run.out)}")
        return f"{found}; run again: {whole}"

    return check


def disk_full(folder: Path) -> str:
    """Run out of space on a disk of its own."""
    with small_disk(folder / "disk", "size=96k") as disk:
        run = start(folder, disk / "out")
        status, errors = run.end()
        found = kept(run.out)
        expect(status == USER_ERROR, f"exit status {status}, {errors}")
        expect(len(errors.splitlines()) == 1 and "free some space" in errors, errors)
        expect(found.masks > 0 and found.lines > 0, str(found))
        expect(found.status in (RunStatus.FAILED, RunStatus.RUNNING), str(found))
        return f"{found}; {_without(errors, folder)}"


def full_from_the_start(folder: Path) -> str:
    """Start on a disk that is full."""
    with small_disk(folder / "disk", "size=16k") as disk:
        (disk / "ballast").write_bytes(bytes(16 << 10))
        run = start(folder, disk / "out")
        status, errors = run.end()
        expect(status == USER_ERROR, f"exit status {status}, {errors}")
        expect(len(errors.splitlines()) == 1 and "free some space" in errors, errors)
        return _without(errors, folder)


def read_only(folder: Path) -> str:
    """Write to a disk that takes nothing, which holds for root as well."""
    with small_disk(folder / "disk", "size=1m,ro") as disk:
        status, errors = start(folder, disk / "out").end()
        expect(status == USER_ERROR, f"exit status {status}, {errors}")
        expect(len(errors.splitlines()) == 1 and "Read-only" in errors, errors)
        return _without(errors, folder)


def vanished(what: str) -> Callable[[Path], str]:
    """Return a check that a folder may vanish during a run, which ends with one line."""

    def check(folder: Path) -> str:
        run = start(folder, folder / "out")
        run.wait_for(5)
        shutil.rmtree(run.out / what, ignore_errors=True)
        shutil.rmtree(run.out / what, ignore_errors=True)  # a file may have come meanwhile
        status, errors = run.end()
        expect(status == USER_ERROR, f"exit status {status}, {errors}")
        expect(len(errors.splitlines()) == 1, errors)
        if what:
            found = kept_lines(run.out)
            expect(found >= 5, f"{found} lines")
            expect(read_run(run.out / "run.json").status is RunStatus.FAILED, "status")
            return f"{found} lines of tracks; {_without(errors, folder)}"
        return _without(errors, folder)

    return check


def kept_lines(out: Path) -> int:
    """Return how many lines of tracks there are."""
    return sum(1 for _ in read_tracks(out / "tracks.jsonl"))


def camera_stops(folder: Path) -> str:
    """Read a camera that gives eight frames and is gone."""
    path = folder / "camera.avi"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("mjpeg", rate=25)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuvj420p"
        for number in range(8):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(_picture(number), format="rgb24")))
        output.mux(stream.encode(None))
    camera = CameraDecoder(
        Location(SourceKind.CAMERA, "camera 0", "0"), cv2.VideoCapture(str(path))
    )
    frames = list(camera.frames(Selection()))
    camera.close()
    expect(len(frames) == 8, f"{len(frames)} frames")
    expect(camera.warnings == ["camera 0: stopped after 8 frames"], str(camera.warnings))
    return "8 frames; warning: " + camera.warnings[0]


def source_vanishes(folder: Path) -> str:
    """Lose an image of a folder during a run."""
    frames = folder / "frames"
    frames.mkdir()
    for number in range(FRAMES):
        cv2.imwrite(str(frames / f"{number:05d}.png"), _picture(number))
    start(folder, folder / "first", "--stop", "1").end()
    (folder / "clip.mp4").unlink()
    frames.rename(folder / "clip.mp4")
    run = start(folder, folder / "out")
    run.wait_for(5)
    for number in range(60, FRAMES):
        (folder / "clip.mp4" / f"{number:05d}.png").unlink()
    status, errors = run.end()
    found = kept(run.out)
    expect(status == USER_ERROR, f"exit status {status}, {errors}")
    expect(len(errors.splitlines()) == 1, errors)
    expect(found.status is RunStatus.FAILED, str(found))
    expect(found.masks == found.lines == found.overlay, str(found))
    return f"{found}; {_without(errors, folder)}"


@contextmanager
def small_disk(folder: Path, options: str) -> Iterator[Path]:
    """Mount a small disk in memory.

    Raises:
        NotHereError: this needs root's rights and Linux.
    """
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.name != "posix" or os.geteuid() != 0:
        raise NotHereError("a disk can be mounted by root only")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NotHereError(f"no disk can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def _left_over(out: Path) -> list[str]:
    return sorted(path.name for path in out.rglob(".*"))


def _without(errors: str, folder: Path) -> str:
    return errors.replace(str(folder), "FOLDER").removeprefix("persam-video: ")


def _picture(number: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    width, height = SIZE
    y, x = np.mgrid[:height, :width]
    rgb = np.stack([(x * 2) % 100, (y * 3) % 100, (x + y) % 100], axis=2).astype(np.uint8)
    left = 10 + number % 50
    rgb[20:44, left : left + 24] = (250, 220, 30)
    return rgb


def cases() -> list[Case]:
    """Return the cases of faults."""
    in_order = "exit status 130; as many masks, lines and frames of video; status interrupted"
    one_line = "one line, exit status 2; what was done is whole"
    found = [
        Case("faults", "SIGTERM", in_order, signalled(signal.SIGTERM, after=5), 360, heavy=True),
        Case("faults", "SIGINT", in_order, signalled(signal.SIGINT, after=5), 360, heavy=True),
        Case(
            "faults",
            "SIGINT twice",
            in_order,
            signalled(signal.SIGINT, signal.SIGINT, after=5),
            360,
            heavy=True,
        ),
        Case("faults", "disk full", one_line, disk_full, 360, heavy=True),
        Case(
            "faults",
            "disk full from the start",
            "one line, exit status 2",
            full_from_the_start,
            360,
            heavy=True,
        ),
        Case("faults", "read-only disk", "one line, exit status 2", read_only, 360, heavy=True),
        Case(
            "faults",
            "output folder vanishes",
            "one line, exit status 2",
            vanished(""),
            360,
            heavy=True,
        ),
        Case(
            "faults",
            "a writer thread fails (its folder vanishes)",
            one_line + "; status failed",
            vanished("masks"),
            360,
            heavy=True,
        ),
        Case("faults", "camera disappears", "its frames and a warning", camera_stops),
        Case(
            "faults",
            "images of the source vanish",
            one_line + "; status failed",
            source_vanishes,
            360,
            heavy=True,
        ),
    ]
    found += [
        Case(
            "faults",
            f"SIGKILL at a random moment, seed {seed}",
            "masks and lines whole, no half video; running again works",
            killed(seed),
            360,
            heavy=True,
        )
        for seed in range(5)
    ]
    return found
