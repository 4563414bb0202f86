"""Runs that are ended from outside: what was finished is whole, the error is one line, and
``--resume`` goes on to the masks and lines of a run that nothing happened to.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np

from eval.robust.case import Case, NotHereError, UnexpectedError, expect
from persam_video.masks.png import read_label_png, write_label_png
from persam_video.sinks import RunStatus, read_run, read_tracks
from persam_video.video.camera_decoder import CameraDecoder
from persam_video.video.selection import Selection
from persam_video.video.source import Location, SourceKind
from persam_video.video.writer import VideoWriter

FRAMES = 150
SIZE = (96, 64)
USER_ERROR = 2
PATIENCE = 170.0  # seconds to wait for a frame, or for the end


@dataclass(frozen=True)
class Kept:
    """The files that a run left.

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
        """Wait until this many frames are written, or the program ends."""
        end = time.monotonic() + PATIENCE
        tracks = self.out / "tracks.jsonl"
        while self.process.poll() is None and time.monotonic() < end:
            if tracks.exists() and tracks.read_bytes().count(b"\n") >= frames:
                return
            time.sleep(0.005)

    def end(self) -> tuple[int, str]:
        """Wait for the end; return the exit status and the standard error."""
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
    # the masks of two runs are to be the same, so both compute with as many threads
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    return Run(
        subprocess.Popen(
            [*command, "--out", str(out), *settings, *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=one_thread,
        ),
        out,
    )


def kept(out: Path) -> Kept:
    """Read all files that a run left; raises if one cannot be read."""
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


@dataclass(frozen=True)
class Results:
    """What runs of the same video have in common, byte for byte.

    Attributes:
        masks: the files by name.
        tracks: the lines.
    """

    masks: dict[str, bytes]
    tracks: bytes


def results(out: Path) -> Results:
    """Read the results of a run."""
    masks = {path.name: path.read_bytes() for path in sorted((out / "masks").iterdir())}
    return Results(masks, (out / "tracks.jsonl").read_bytes())


@cache
def uncut() -> Results:
    """Return the results of an undisturbed run on the clip."""
    with tempfile.TemporaryDirectory() as name:
        return _uncut(Path(name))


def _uncut(folder: Path) -> Results:
    out = folder / "uncut"
    status, errors = start(folder, out).end()
    if status:
        raise UnexpectedError(f"an uncut run ended with status {status}, {errors}")
    return results(out)


def goes_on(folder: Path, out: Path, wanted: Results) -> str:
    """Resume a run, and say from where; its results must equal those of an undisturbed one."""
    status, errors = start(folder, out, "--resume").end()
    expect(status == 0, f"--resume ended with status {status}, {errors}")
    found = kept(out)
    expect(found.status is RunStatus.FINISHED, f"after --resume: {found}")
    expect(found.masks == found.lines == found.overlay == FRAMES, f"after --resume: {found}")
    expect(not _left_over(out), f"left over: {_left_over(out)}")
    expect(results(out) == wanted, "after --resume, masks or lines are not those of an uncut run")
    resumed = read_run(out / "run.json").resumed_at
    place = f"went on at frame {resumed[-1]}" if resumed else "began anew"
    return f"--resume {place}: all {FRAMES} masks and lines equal those of an uncut run"


def signalled(*signals: int, after: int) -> Callable[[Path], str]:
    """Return a check that signals, sent once some frames are written, end a run cleanly."""

    def check(folder: Path) -> str:
        run = start(folder, folder / "out")
        run.wait_for(after)
        for number in signals:
            run.process.send_signal(number)
            time.sleep(0.02)
        status, _ = run.end()
        found = kept(run.out)
        wanted = 128 + signals[0]  # as shells have it
        expect(status == wanted, f"exit status {status}, {found}")
        expect(found.status is RunStatus.INTERRUPTED, str(found))
        expect(found.masks == found.lines == found.overlay, str(found))
        expect(after <= found.masks < FRAMES, str(found))
        expect(not _left_over(run.out), f"left over: {_left_over(run.out)}")
        return f"exit status {status}; {found}; {goes_on(folder, run.out, uncut())}"

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
        return f"{found}; {goes_on(folder, run.out, uncut())}"

    return check


def disk_full(folder: Path) -> str:
    """Run out of space on a separate disk, and resume once there is some.

    There may be no room for the last word of the record either, which then says that the run is
    under way; --resume takes that for what it is, as after a kill.
    """
    with small_disk(folder / "disk", "size=384k") as disk:
        run = start(folder, disk / "out")
        status, errors = run.end()
        found = kept(run.out)
        expect(status == USER_ERROR, f"exit status {status}, {errors}")
        expect(len(errors.splitlines()) == 1 and "free some space" in errors, errors)
        expect(found.masks > 0 and found.lines > 0, str(found))
        expect(found.status in (RunStatus.FAILED, RunStatus.RUNNING), str(found))
        remount(disk, "size=64m")
        went_on = goes_on(folder, run.out, uncut())
        return f"{found}; {_without(errors, folder)}; with more space, {went_on}"


def full_from_the_start(folder: Path) -> str:
    """Start a run on a full disk."""
    with small_disk(folder / "disk", "size=16k") as disk:
        (disk / "ballast").write_bytes(bytes(16 << 10))
        run = start(folder, disk / "out")
        status, errors = run.end()
        expect(status == USER_ERROR, f"exit status {status}, {errors}")
        expect(len(errors.splitlines()) == 1 and "free some space" in errors, errors)
        remount(disk, "size=64m")
        return f"{_without(errors, folder)}; with more space, {goes_on(folder, run.out, uncut())}"


def read_only(folder: Path) -> str:
    """Write to a read-only disk, which root cannot write to either."""
    with small_disk(folder / "disk", "size=1m,ro") as disk:
        status, errors = start(folder, disk / "out").end()
        expect(status == USER_ERROR, f"exit status {status}, {errors}")
        expect(len(errors.splitlines()) == 1 and "Read-only" in errors, errors)
        remount(disk, "size=64m,rw")
        went_on = goes_on(folder, disk / "out", uncut())
        return f"{_without(errors, folder)}; once it takes files, {went_on}"


def read_only_amid(folder: Path) -> str:
    """Make the disk read-only during a run, as the system does with a faulty disk."""
    with small_disk(folder / "disk", "size=64m") as disk:
        run = start(folder, disk / "out")
        run.wait_for(5)
        run.process.send_signal(signal.SIGSTOP)
        mask = disk / "out" / "masks"
        mask.rename(disk / "out" / "kept")
        with small_disk(mask, "size=64k,ro"):
            run.process.send_signal(signal.SIGCONT)
            status, errors = run.end()
        mask.rmdir()
        (disk / "out" / "kept").rename(mask)
        expect(status == USER_ERROR, f"exit status {status}, {errors}")
        expect(len(errors.splitlines()) == 1 and "Read-only" in errors, errors)
        found = kept(run.out)
        expect(found.status is RunStatus.FAILED, str(found))
        went_on = goes_on(folder, run.out, uncut())
        return f"{found}; {_without(errors, folder)}; once it takes files, {went_on}"


def vanished(what: str) -> Callable[[Path], str]:
    """Return a check that a run ends with one line when a folder vanishes."""

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
            went_on = goes_on(folder, run.out, uncut())
            return f"{found} lines of tracks; {_without(errors, folder)}; {went_on}"
        return f"{_without(errors, folder)}; {goes_on(folder, run.out, uncut())}"

    return check


def kept_lines(out: Path) -> int:
    """Return the number of lines of tracks."""
    return sum(1 for _ in read_tracks(out / "tracks.jsonl"))


def camera_stops(folder: Path) -> str:
    """Read a camera that disconnects after eight frames."""
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
    for number in range(60, FRAMES):
        cv2.imwrite(str(folder / "clip.mp4" / f"{number:05d}.png"), _picture(number))
    went_on = goes_on(folder, run.out, _uncut(folder))
    return f"{found}; {_without(errors, folder)}; with the images back, {went_on}"


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


def remount(disk: Path, options: str) -> None:
    """Remount a disk that ``small_disk`` made."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)


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
    resumed = "; --resume goes on to the masks of an uncut run"
    in_order = (
        "exit status 130; as many masks, lines and frames of video; status interrupted" + resumed
    )
    one_line = "one line, exit status 2; what was done is whole"
    found = [
        Case("faults", "SIGTERM", in_order, signalled(signal.SIGTERM, after=60), 360, heavy=True),
        Case("faults", "SIGINT", in_order, signalled(signal.SIGINT, after=60), 360, heavy=True),
        Case(
            "faults",
            "SIGINT twice",
            in_order,
            signalled(signal.SIGINT, signal.SIGINT, after=60),
            360,
            heavy=True,
        ),
        Case("faults", "disk full", one_line + resumed, disk_full, 360, heavy=True),
        Case(
            "faults",
            "disk full from the start",
            "one line, exit status 2" + resumed,
            full_from_the_start,
            360,
            heavy=True,
        ),
        Case(
            "faults",
            "read-only disk",
            "one line, exit status 2" + resumed,
            read_only,
            360,
            heavy=True,
        ),
        Case(
            "faults",
            "folder turns read-only",
            one_line + "; status failed" + resumed,
            read_only_amid,
            360,
            heavy=True,
        ),
        Case(
            "faults",
            "output folder vanishes",
            "one line, exit status 2" + resumed,
            vanished(""),
            360,
            heavy=True,
        ),
        Case(
            "faults",
            "a writer thread fails (its folder vanishes)",
            one_line + "; status failed" + resumed,
            vanished("masks"),
            360,
            heavy=True,
        ),
        Case("faults", "camera disappears", "its frames and a warning", camera_stops),
        Case(
            "faults",
            "images of the source vanish",
            one_line + "; status failed" + resumed,
            source_vanishes,
            360,
            heavy=True,
        ),
    ]
    found += [
        Case(
            "faults",
            f"SIGKILL at a random moment, seed {seed}",
            "masks and lines whole, no half video" + resumed,
            killed(seed),
            360,
            heavy=True,
        )
        for seed in range(5)
    ]
    return found
