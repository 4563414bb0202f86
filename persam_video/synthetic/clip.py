"""Synthetic clips with exact ground truth."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from persam_video.errors import ConfigError
from persam_video.masks.labels import MAX_OBJECT_ID
from persam_video.masks.png import write_label_png
from persam_video.synthetic.bodies import Kind, Tint, make_body
from persam_video.synthetic.pond import Pond
from persam_video.util.atomic import empty_folder
from persam_video.video.writer import VideoWriter

_LIGHT = np.array((-0.42, -0.55, 0.722), np.float32)  # unit vector: from the upper left
_SHUTTER = 0.3  # exposure as a share of the time between two frames
_EXPOSURES = 4  # moments averaged into one frame
_DETAIL = 1.6  # pixels of a body's picture per pixel of the frame
_SHADOW = 0.4
_SMALLEST = 16  # pixels, width and height
_NOISE = 1.6  # standard deviation of the sensor noise, in grey levels
_CRF = 16  # so good that the encoder adds little to the noise


@dataclass(frozen=True)
class Waypoint:
    """Position of an object at one moment; it moves smoothly between waypoints.

    Attributes:
        frame: moment in frames; need not be whole.
        x: centre, in picture widths from the left edge; may lie outside the picture.
        y: centre, in picture heights from the upper edge.
        angle: direction in degrees, clockwise; at 0 it heads to the right.
        scale: size, as a multiple of the object's.
        tilt: relative width across its direction; below 1 it looks turned away.
    """

    frame: float
    x: float
    y: float
    angle: float = 0.0
    scale: float = 1.0
    tilt: float = 1.0


@dataclass(frozen=True)
class SyntheticObject:
    """An object that moves through a clip.

    Attributes:
        object_id: its label in the truth; 0 for a distractor, which is drawn but not labelled.
        kind: what it looks like.
        tint: its main colour, RGB, 0 to 1.
        size: its length as a share of the picture's height.
        path: waypoints in order of time; it rests before the first and after the last.
    """

    object_id: int
    kind: Kind
    tint: Tint
    size: float
    path: tuple[Waypoint, ...]

    def __post_init__(self) -> None:
        if not 0 <= self.object_id <= MAX_OBJECT_ID:
            raise ConfigError(f"object id is {self.object_id}; give 0 to {MAX_OBJECT_ID}.")
        if self.size <= 0:
            raise ConfigError(f"size {self.size} of object {self.object_id}: give more than 0.")
        moments = [point.frame for point in self.path]
        if not moments or any(a >= b for a, b in pairwise(moments)):
            raise ConfigError(
                f"path of object {self.object_id} has waypoints at {moments}; "
                "give one or more, in order of time."
            )


@dataclass(frozen=True)
class SyntheticFiles:
    """Files written by ``SyntheticClip.write``.

    Attributes:
        video: the clip, H.264 in MP4.
        first_mask: label map of frame 0.
        truth: folder with the label map of every frame, ``NNNNN.png``.
    """

    video: Path
    first_mask: Path
    truth: Path


@dataclass(frozen=True)
class SyntheticClip:
    """Settings of a clip; equal settings give equal pictures.

    Attributes:
        objects: from the farthest to the nearest; later ones occlude earlier ones.
        width: in pixels.
        height: in pixels.
        length: number of frames.
        fps: frames per second.
        seed: random seed.
    """

    objects: tuple[SyntheticObject, ...]
    width: int = 640
    height: int = 360
    length: int = 60
    fps: Fraction = Fraction(25)
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value, least in (
            ("width", self.width, _SMALLEST),
            ("height", self.height, _SMALLEST),
            ("length", self.length, 1),
        ):
            if value < least:
                raise ConfigError(f"{name} of the clip is {value}; give {least} or more.")

    @property
    def object_ids(self) -> tuple[int, ...]:
        """The ids that can occur in the ground truth, in order."""
        return tuple(sorted({o.object_id for o in self.objects} - {0}))

    def frames(self) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
        """Draw the clip, frame by frame.

        A pixel belongs to the nearest object that covers at least half of it, averaged over the
        exposure; shadows belong to nothing.

        Yields:
            The picture, uint8 of shape (H, W, 3), RGB, and its labels, uint8 of shape (H, W).
        """
        pond = Pond(self.width, self.height, np.random.default_rng((self.seed, 0)))
        actors = [
            _Actor(thing, self.width, self.height, np.random.default_rng((self.seed, 1, place)))
            for place, thing in enumerate(self.objects)
        ]
        vignette = _vignette(self.width, self.height)
        for frame in range(self.length):
            progress = frame / max(1, self.length - 1)
            canvas = pond.view(progress)
            labels = np.zeros((self.height, self.width), np.uint8)
            for actor in actors:
                actor.draw(canvas, labels, frame)
            canvas *= vignette * _exposure(progress)
            noise = np.random.default_rng((self.seed, 2, frame)).standard_normal(
                canvas.shape, np.float32
            )
            rgb = np.clip(np.rint(canvas * 255 + _NOISE * noise), 0, 255).astype(np.uint8)
            yield rgb, labels

    def write(self, folder: str | Path) -> SyntheticFiles:
        """Write ``clip.mp4``, ``first_mask.png`` and ``truth/NNNNN.png`` into a folder.

        Args:
            folder: created if missing; ground truth of an earlier clip in it is removed.

        Raises:
            OutputError: a file cannot be written.
        """
        folder = Path(folder)
        files = SyntheticFiles(folder / "clip.mp4", folder / "first_mask.png", folder / "truth")
        empty_folder(files.truth, "[0-9]*.png")
        size = (self.width, self.height)
        with VideoWriter(files.video, size=size, fps=self.fps, crf=_CRF) as writer:
            try:
                for index, (rgb, labels) in enumerate(self.frames()):
                    writer.write(rgb)
                    write_label_png(files.truth / f"{index:05d}.png", labels)
                    if index == 0:
                        write_label_png(files.first_mask, labels)
            except BaseException:
                writer.abort()  # a partial clip would not match its ground truth
                raise
        return files


class _Actor:
    """An object, ready to be drawn at any moment."""

    def __init__(self, thing: SyntheticObject, width: int, height: int, rng: np.random.Generator):
        self._label = thing.object_id
        self._half = thing.size * height / 2
        largest = max(point.scale for point in thing.path)
        size = max(16, round(_DETAIL * 2 * self._half * largest))
        self._body = make_body(thing.kind, thing.tint, size, rng)
        self._times = [point.frame for point in thing.path]
        poses = [(p.x * width, p.y * height, p.angle, p.scale, p.tilt) for p in thing.path]
        self._poses = np.array(poses)

    @cached_property
    def _track(self) -> PchipInterpolator:
        return PchipInterpolator(self._times, self._poses)

    def _pose(self, time: float) -> NDArray[np.float64]:
        """(x, y, angle, scale, tilt) at a moment in frames; x and y in pixels."""
        if len(self._times) == 1:
            return np.asarray(self._poses[0], np.float64)
        moment = np.clip(time, self._times[0], self._times[-1])
        return np.asarray(self._track(moment), np.float64)

    def draw(self, canvas: NDArray[np.float32], labels: NDArray[np.uint8], frame: int) -> None:
        """Draw the object and its shadow, and label its pixels, in place."""
        pose = self._pose(frame)
        height, width = labels.shape
        reach = 1.05 * self._half * pose[3] + 3
        moments = np.linspace(-_SHUTTER / 2, _SHUTTER / 2, _EXPOSURES) + frame
        poses = [self._pose(moment) for moment in moments]
        x0 = max(0, int(min(p[0] for p in poses) - reach))
        y0 = max(0, int(min(p[1] for p in poses) - reach))
        x1 = min(width, int(max(p[0] for p in poses) + reach) + 1)
        y1 = min(height, int(max(p[1] for p in poses) + reach) + 1)
        if x0 >= x1 or y0 >= y1:
            return
        turn = np.radians(pose[2])
        light = _LIGHT.copy()
        light[0] = np.cos(turn) * _LIGHT[0] + np.sin(turn) * _LIGHT[1]
        light[1] = np.cos(turn) * _LIGHT[1] - np.sin(turn) * _LIGHT[0]
        picture = self._body.render(frame, light)
        layer = np.zeros((y1 - y0, x1 - x0, 4), np.float32)
        for moment in poses:
            matrix = self._matrix(moment, len(picture))
            matrix[:, 2] -= (x0, y0)
            layer += cv2.warpAffine(picture, matrix, (x1 - x0, y1 - y0))
        layer /= _EXPOSURES
        coverage = layer[..., 3]
        _cast_shadow(canvas, coverage, (x0, y0))
        area = canvas[y0:y1, x0:x1]
        area *= 1 - coverage[..., None]
        area += layer[..., :3]
        labels[y0:y1, x0:x1][coverage >= 0.5] = self._label

    def _matrix(self, pose: NDArray[np.float64], size: int) -> NDArray[np.float64]:
        """Matrix from pixels of the body's picture to pixels of the frame; shape (2, 3)."""
        x, y, angle, scale, tilt = pose
        cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        turn = self._half * scale * np.array([[cos, -sin * tilt], [sin, cos * tilt]])
        # Pixel i has its centre at i + 0.5, in either picture.
        origin = np.array((x, y)) - 0.5 + turn @ np.full(2, 1 / size - 1)
        return np.column_stack([turn * 2 / size, origin])


def _cast_shadow(
    canvas: NDArray[np.float32], coverage: NDArray[np.float32], corner: tuple[int, int]
) -> None:
    """Draw the shadow of an object at ``corner`` (x, y) on the canvas, in place."""
    height = canvas.shape[0]
    blur = 0.02 * height
    offset = (round(0.045 * height), round(0.06 * height))
    pad = round(3 * blur)
    shadow = cv2.copyMakeBorder(coverage, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=0)
    shadow = cv2.GaussianBlur(shadow, (0, 0), blur)
    x, y = corner[0] + offset[0] - pad, corner[1] + offset[1] - pad
    left, top = max(0, -x), max(0, -y)
    area = canvas[max(0, y) : y + shadow.shape[0], max(0, x) : x + shadow.shape[1]]
    shadow = shadow[top : top + area.shape[0], left : left + area.shape[1]]
    area *= 1 - _SHADOW * shadow[..., None]


def _exposure(progress: float) -> NDArray[np.float32]:
    """The light of the scene as RGB gains: a cloud passes, and the light gets a little warmer."""
    gain = 1.16 - 0.12 * np.sin(0.9 * np.pi * progress) ** 2
    return np.array((gain * (1 + 0.02 * progress), gain, gain * (1 - 0.03 * progress)), np.float32)


def _vignette(width: int, height: int) -> NDArray[np.float32]:
    """Gains of shape (H, W, 1) that darken the corners, as lenses do."""
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    return np.asarray((1 - 0.09 * (x * x + y * y))[..., None], np.float32)
