"""Short clips for training, cut from videos or made from stills.

A clip is an annotated frame and five frames that follow each other in time, which may be much
later than the annotated one, or earlier. Stills become clips by warping them once for each frame;
objects cut out of other stills, or out of the same one, move through many clips as occluders and as
look-alikes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lite_training.data import LabelledImage, TrainingData
from persam_video.masks.labels import VOID

FRAMES = 6
TARGETS = 2
_MAX_ID = 60
_PASTED = 100
_MAX_PASTED = 3


@dataclass(frozen=True)
class ClipBatch:
    """A batch of clips, all of one size.

    Attributes:
        rgb: uint8 (B, 6 frames, H, W, 3), the annotated one first.
        targets: uint8 (B, 2 objects, 6 frames, H, W): 1 object, 0 elsewhere, 255 ignore. The two
            are the same one where a clip has no other.
        rest: uint8 (B, 6 frames, H, W), 1 where other labelled objects are.
        video: bool (B,), whether the clip comes from a real video.
    """

    rgb: NDArray[np.uint8]
    targets: NDArray[np.uint8]
    rest: NDArray[np.uint8]
    video: NDArray[np.bool_]


@dataclass(frozen=True)
class ClipSettings:
    """How clips are drawn.

    Attributes:
        video_share: share of clips from real videos.
        group: share of the clips from stills that are of a still with several objects.
        paste: chance that foreign objects are pasted in, one to three of them.
        look_alike: chance that the pasted objects are copies of the clip's own.
        company: chance that one to three of the object's likes move along beside it.
        absent: chance that one of the later frames shows another scene.
        leave: chance that the camera loses sight of the object for a frame.
        bend: chance that the frames of a still are bent, each in its own way.
        blur: chance of motion blur for a frame.
        calm: chance that little moves from frame to frame, as in most videos.
        parts: chance that an object of a still is cut into parts that only the annotation tells.
    """

    video_share: float = 0.4
    group: float = 0.3
    paste: float = 0.5
    look_alike: float = 0.45
    company: float = 0.2
    absent: float = 0.05
    leave: float = 0.06
    bend: float = 0.3
    blur: float = 0.12
    calm: float = 0.6
    parts: float = 0.25


def clip_batches(
    data: TrainingData,
    settings: ClipSettings,
    sizes: tuple[tuple[int, int], ...],
    clips: int,
    rng: Generator,
) -> Iterator[ClipBatch]:
    """Yield batches endlessly, each of a size (height, width) drawn from ``sizes``."""
    while True:
        size = sizes[rng.integers(len(sizes))]
        made = [_clip(data, settings, size, rng) for _ in range(clips)]
        yield ClipBatch(
            np.stack([clip.rgb for clip in made]),
            np.stack([clip.targets for clip in made]),
            np.stack([clip.rest for clip in made]),
            np.array([clip.video for clip in made]),
        )


@dataclass(frozen=True)
class _Clip:
    """One clip of a batch, with the fields of the batch."""

    rgb: NDArray[np.uint8]
    targets: NDArray[np.uint8]
    rest: NDArray[np.uint8]
    video: bool


def _clip(
    data: TrainingData, settings: ClipSettings, size: tuple[int, int], rng: Generator
) -> _Clip:
    while True:
        video = bool(rng.random() < settings.video_share)
        pace = float(rng.uniform(0.1, 0.4)) if rng.random() < settings.calm else 1.0
        sources = _video_frames(data, rng, pace) if video else _still_frames(data, settings, rng)
        target = _some_object(sources[0].labels, rng)
        if target is None:
            continue
        poses = _camera(sources, target, size, video, rng, pace)
        if rng.random() < settings.leave:
            poses = _turned_away(poses, size, rng)
        mats = [
            pose.matrix(size, np.zeros(2) if video else rng.normal(0, 0.04, 2)) for pose in poses
        ]
        bend = not video and rng.random() < settings.bend
        rgbs, labels = _warped(sources, mats, size, pace if bend else None, rng)
        if rng.random() < settings.company:
            _accompany(rgbs, labels, target, rng, pace)
        elif rng.random() < settings.paste:
            own = rng.random() < settings.look_alike
            donor = sources[0] if own else _still(data.stills, rng)[0]
            count = 1 if rng.random() < 0.6 else int(rng.integers(2, _MAX_PASTED + 1))
            for number in range(count):
                chosen = target if own else None
                _paste_moving(rgbs, labels, donor, chosen, _PASTED + number, rng, pace)
        if rng.random() < settings.absent:
            other = _still(data.stills, rng)[0]
            chosen = _some_object(other.labels, rng)
            if chosen is not None:
                place = int(rng.integers(2, FRAMES))
                mat = _camera([other], chosen, size, False, rng)[0].matrix(size, np.zeros(2))
                rgbs[place], labels[place] = _warp(other, mat, size)
                labels[place] = np.where(labels[place] == VOID, VOID, 0).astype(np.uint8)
        if any(not (label != VOID).any() for label in labels):
            continue
        targets = _choose_targets(labels, rng)
        if targets is None:
            continue
        jitter = _Colours.draw(rng, 0.25)
        rgbs = [_Colours.draw(rng, 0.08).apply(jitter.apply(rgb)) for rgb in rgbs]
        rgbs = [_motion_blur(rgb, rng) if rng.random() < settings.blur else rgb for rgb in rgbs]
        flip = rng.random() < 0.5
        masks = np.stack(
            [
                [np.where(lab == VOID, VOID, lab == t).astype(np.uint8) for lab in labels]
                for t in targets
            ]
        )
        rest = np.stack([~np.isin(lab, [0, VOID, *targets]) for lab in labels]).astype(np.uint8)
        frames = np.stack(rgbs)
        if flip:
            frames, masks, rest = frames[:, :, ::-1], masks[..., ::-1], rest[..., ::-1]
        frames, masks, rest = map(np.ascontiguousarray, (frames, masks, rest))
        return _Clip(frames, masks, rest, video)


def _still(stills: list[LabelledImage], rng: Generator) -> list[LabelledImage]:
    return [stills[rng.integers(len(stills))]]


def _still_frames(
    data: TrainingData, settings: ClipSettings, rng: Generator
) -> list[LabelledImage]:
    grouped = bool(data.groups) and rng.random() < settings.group
    source = _still(data.groups if grouped else data.stills, rng)[0]
    if rng.random() < settings.parts:
        source = _in_parts(source, rng)
    return [source] * FRAMES


def _warped(
    sources: list[LabelledImage],
    mats: list[NDArray[np.float64]],
    size: tuple[int, int],
    bending: float | None,
    rng: Generator,
) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.uint8]]]:
    """Return the pictures and the labels of a clip's frames.

    Args:
        sources: of the frames.
        mats: 2x3 matrices that map source pixels to the window.
        size: (height, width) of the window.
        bending: how much a still's bend changes from frame to frame, 0 to 1; ``None`` bends none.
        rng: draws the bends.
    """
    bend = rng.normal(0, 1, (4, 4, 2))
    rgbs, labels = [], []
    for source, mat in zip(sources, mats, strict=True):
        rgb, label = _warp(source, mat, size)
        if bending is not None:
            rgb, label = _bent(rgb, label, bend)
            bend = (1 - bending) * bend + bending * rng.normal(0, 1, bend.shape)
        rgbs.append(rgb)
        labels.append(label)
    return rgbs, labels


def _video_frames(data: TrainingData, rng: Generator, pace: float) -> list[LabelledImage]:
    frames = data.videos[rng.integers(len(data.videos))]
    step = int(rng.choice([1, 1, 2, 3] if pace == 1 else [1])) * (1 if rng.random() < 0.5 else -1)
    first = int(rng.integers(len(frames)))
    if not 0 <= first + (FRAMES - 2) * step < len(frames):
        step = -step
    places = np.clip(first + step * np.arange(FRAMES - 1), 0, len(frames) - 1)
    return [frames[rng.integers(len(frames))], *(frames[int(place)] for place in places)]


def _in_parts(source: LabelledImage, rng: Generator) -> LabelledImage:
    """Cut an object into two or three parts by place and colour."""
    labels = source.labels.copy()
    target = _some_object(labels, rng)
    if target is None:
        return source
    ys, xs = np.nonzero(labels == target)
    if len(ys) < 400:
        return source
    lab = cv2.cvtColor(source.rgb, cv2.COLOR_RGB2LAB)[ys, xs].astype(np.float32)
    side = max(np.ptp(xs), np.ptp(ys)) + 1
    places = np.stack([xs, ys], axis=1) * (3 / side)
    points = np.hstack([places, lab * (rng.uniform(0, 6) / 255)]).astype(np.float32)
    parts = int(rng.integers(2, 4))
    criteria = (cv2.TERM_CRITERIA_MAX_ITER, 8, 0.0)
    empty = np.empty((0, 0), np.int32)  # no labels to begin with
    _, part, _ = cv2.kmeans(points, parts, empty, criteria, 1, cv2.KMEANS_RANDOM_CENTERS)
    free = [number for number in range(1, _MAX_ID) if not (labels == number).any()]
    for number in range(1, parts):
        mine = part[:, 0] == number
        labels[ys[mine], xs[mine]] = free[number - 1]
    smooth = cv2.medianBlur(labels, 5)
    return LabelledImage(source.rgb, np.where(source.labels == VOID, VOID, smooth).astype(np.uint8))


def _some_object(labels: NDArray[np.uint8], rng: Generator) -> int | None:
    counts = np.bincount(labels.ravel(), minlength=256)[1:_MAX_ID]
    weights = np.sqrt(np.where(counts >= 60, counts, 0))
    if weights.sum() == 0:
        return None
    return int(rng.choice(len(weights), p=weights / weights.sum())) + 1


@dataclass(frozen=True)
class _Pose:
    """Where a training window looks.

    Attributes:
        focus: (x, y) in source pixels of what is in the window's middle.
        zoom: window pixels for one source pixel.
        angle: in degrees.
    """

    focus: NDArray[np.float64]
    zoom: float
    angle: float

    def matrix(self, size: tuple[int, int], shear: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the 2x3 matrix that maps source pixels to a window (height, width)."""
        theta = np.deg2rad(self.angle)
        turn = np.array([[np.cos(theta), -np.sin(theta)], [np.sin(theta), np.cos(theta)]])
        linear = self.zoom * turn @ np.array([[1.0, shear[0]], [shear[1], 1.0]])
        offset = np.array([size[1], size[0]]) / 2 - linear @ self.focus
        return np.hstack([linear, offset[:, None]])

    def moved(self, shift: NDArray[np.float64], growth: float, turn: float, side: int) -> "_Pose":
        """Return a pose that looks elsewhere: ``shift`` is in shares of the window's side."""
        focus = self.focus + shift * side / self.zoom
        return _Pose(focus, self.zoom * float(np.exp(growth)), self.angle + turn)


def _camera(
    sources: list[LabelledImage],
    target: int,
    size: tuple[int, int],
    video: bool,
    rng: Generator,
    pace: float = 1.0,
) -> list[_Pose]:
    """Return a pose for each frame: the annotated one's, and those of a moving camera."""
    height, width = size
    ys, xs = np.nonzero(sources[0].labels == target)
    centre = np.array([xs.mean(), ys.mean()])
    extent = max(float(np.ptp(xs)), float(np.ptp(ys)), 8.0)
    source_h, source_w = sources[0].labels.shape
    fit = max(width / source_w, height / source_h)
    # between the whole picture in the window and the object filling most of it
    near = min(2.2, 0.8 * min(size) / extent)
    zoom = float(np.exp(rng.uniform(np.log(0.92 * fit), np.log(max(near, fit)))))
    if zoom > fit:
        focus = centre + rng.normal(0, 0.12, 2) * np.array([width, height]) / zoom
    else:
        focus = np.array([source_w, source_h]) / 2 + rng.normal(0, 0.05, 2) * source_w
    side = min(size)
    begin = _Pose(focus, zoom, rng.normal(0, 6))
    shift, growth, turn = (0.06, 0.08, 3.0) if video else (0.2, 0.3, 12.0)
    annotated = begin.moved(
        rng.normal(0, shift, 2), rng.normal(0, growth), rng.normal(0, turn), side
    )
    if rng.random() < (0.15 if video else 0.35):
        # the object comes near, or goes far away, between the annotated frame and the rest
        wanted = np.log(zoom) + rng.uniform(-np.log(4), np.log(4))
        limits = np.log(0.6 * fit), np.log(max(3.0, fit))
        at = centre + rng.normal(0, 0.1, 2) * side / zoom if wanted > np.log(zoom) else focus
        annotated = _Pose(at, float(np.exp(np.clip(wanted, *limits))), annotated.angle)
    poses = [annotated, begin]
    shift, growth, turn = (0.015, 0.02, 0.7) if video else (0.05, 0.06, 4.0)
    if rng.random() < 0.2:
        shift, growth = 2 * shift, 2 * growth
    shift, growth, turn = pace * shift, pace * growth, pace * turn
    course, grows, turns = rng.normal(0, shift, 2), rng.normal(0, growth), rng.normal(0, turn)
    for _ in range(len(sources) - 2):
        shake = rng.normal(0, shift / 2, 2)
        poses.append(
            poses[-1].moved(course + shake, grows + rng.normal(0, growth / 2), turns, side)
        )
    return poses[: len(sources)]


def _turned_away(poses: list[_Pose], size: tuple[int, int], rng: Generator) -> list[_Pose]:
    """Turn the camera away from the middle of the scene in the third frame, or from there on."""
    direction = rng.uniform(0, 2 * np.pi)
    away = np.array([np.cos(direction), np.sin(direction)]) * rng.uniform(0.5, 1.0)
    lasting = rng.random() < 0.4
    return [
        pose.moved(away, 0.0, 0.0, max(size)) if place == 2 or (lasting and place > 2) else pose
        for place, pose in enumerate(poses)
    ]


def _bent(
    rgb: NDArray[np.uint8], labels: NDArray[np.uint8], bend: NDArray[np.float64]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Bend a frame smoothly, as when limbs move or objects rotate out of the image plane."""
    height, width = labels.shape
    coarse = (0.03 * min(height, width) * bend).astype(np.float32)
    offset = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    at_x = (columns + offset[..., 0]).astype(np.float32)
    at_y = (rows + offset[..., 1]).astype(np.float32)
    bent = cv2.remap(rgb, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    mask = cv2.remap(labels, at_x, at_y, cv2.INTER_NEAREST, borderValue=VOID)
    return _uint8(bent), _uint8(mask)


def _warp(
    source: LabelledImage, mat: NDArray[np.float64], size: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    wh = (size[1], size[0])
    shrinking = np.sqrt(abs(np.linalg.det(mat[:, :2]))) < 0.7
    smooth = cv2.GaussianBlur(source.rgb, (3, 3), 0) if shrinking else source.rgb
    rgb = cv2.warpAffine(smooth, mat, wh, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    labels = cv2.warpAffine(
        source.labels,
        mat,
        wh,
        flags=cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=VOID,
    )
    return _uint8(rgb), _uint8(labels)


def _uint8(array: Any) -> NDArray[np.uint8]:
    """Narrow the type of an OpenCV result."""
    return np.asarray(array, np.uint8)


def _paste_moving(
    rgbs: list[NDArray[np.uint8]],
    labels: list[NDArray[np.uint8]],
    donor: LabelledImage,
    chosen: int | None,
    label: int,
    rng: Generator,
    pace: float,
) -> None:
    """Paste one object of ``donor`` into the frames, on a smooth path of its own."""
    chosen = _some_object(donor.labels, rng) if chosen is None else chosen
    if chosen is None:
        return
    ys, xs = np.nonzero(donor.labels == chosen)
    centre = np.array([xs.mean(), ys.mean()])
    extent = max(float(np.ptp(xs)), float(np.ptp(ys)), 8.0)
    height, width = labels[0].shape
    zoom = float(np.clip(rng.uniform(0.15, 0.7) * min(height, width) / extent, 0.15, 2.5))
    mirrored = rng.random() < 0.5
    place = rng.uniform(0.1, 0.9, 2) * [width, height]
    angle = rng.normal(0, 12)
    cut = LabelledImage(donor.rgb, ((donor.labels == chosen) * 255).astype(np.uint8))
    course = pace * rng.normal(0, 0.08, 2) * min(height, width)
    for frame in range(FRAMES):
        spread = 0.3 if frame == 0 else 0.02 * pace
        spot = place + course * (frame - 1) + rng.normal(0, spread, 2) * min(height, width)
        scale = zoom * float(np.exp(rng.normal(0, 0.06 * pace)))
        pose = _Pose(centre, scale, angle + rng.normal(0, 5 * pace))
        mat = pose.matrix((height, width), np.zeros(2))
        if mirrored:
            mat[:, 0] *= -1
            mat[:, 2] = np.array([width, height]) / 2 - mat[:, :2] @ centre
        mat[:, 2] += spot - np.array([width, height]) / 2
        rgbs[frame], labels[frame] = _pasted(rgbs[frame], labels[frame], cut, mat, label)


def _pasted(
    rgb: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    cut: LabelledImage,
    mat: NDArray[np.float64],
    label: int,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Paste a cut-out, whose labels are its opacity, into a frame."""
    wh = (labels.shape[1], labels.shape[0])
    alpha = cv2.warpAffine(cut.labels, mat, wh, flags=cv2.INTER_LINEAR)
    alpha = cv2.GaussianBlur(alpha, (3, 3), 0)
    colour = cv2.warpAffine(cut.rgb, mat, wh, borderMode=cv2.BORDER_REFLECT_101)
    share = alpha.astype(np.float32) / 255
    blended = _uint8(cv2.blendLinear(colour, rgb, share, 1 - share))
    return blended, np.where(alpha > 127, label, labels).astype(np.uint8)


def _accompany(
    rgbs: list[NDArray[np.uint8]],
    labels: list[NDArray[np.uint8]],
    target: int,
    rng: Generator,
    pace: float,
) -> None:
    """Let copies of an object move along beside it, as in a shoal: only their places differ."""
    count = int(rng.integers(1, _MAX_PASTED + 1))
    angles = rng.uniform(0, 2 * np.pi) + 2 * np.pi * np.arange(count) / count
    away, scale = rng.uniform(0.8, 1.5), float(np.exp(rng.normal(0, 0.08)))
    courses = pace * rng.normal(0, 0.08, (count, 2))
    for frame in range(FRAMES):
        own = labels[frame] == target
        if not own.any():
            continue
        cut = LabelledImage(rgbs[frame], (own * 255).astype(np.uint8))
        rows, columns = np.nonzero(own)
        extent = np.array([np.ptp(columns), np.ptp(rows)]) + 1.0
        centre = np.array([columns.mean(), rows.mean()])
        spread = 0.15 if frame == 0 else 0.02 * pace
        for number, (angle, course) in enumerate(zip(angles, courses, strict=True)):
            place = away * np.array([np.cos(angle), np.sin(angle)]) + course * (frame - 1)
            mat = _Pose(centre, scale, rng.normal(0, 4 * pace)).matrix((0, 0), np.zeros(2))
            mat[:, 2] += centre + (place + rng.normal(0, spread, 2)) * extent
            rgbs[frame], labels[frame] = _pasted(
                rgbs[frame], labels[frame], cut, mat, _PASTED + number
            )


def _choose_targets(labels: list[NDArray[np.uint8]], rng: Generator) -> list[int] | None:
    """Choose the objects to segment: seen in the annotated frame and in the previous frame."""
    counts = np.minimum(
        np.bincount(labels[0].ravel(), minlength=256),
        np.bincount(labels[1].ravel(), minlength=256),
    )
    counts[0] = counts[VOID] = 0
    ids = np.nonzero(counts >= 120)[0]
    if len(ids) == 0:
        return None
    return [int(chosen) for chosen in rng.choice(ids, TARGETS, replace=len(ids) < TARGETS)]


@dataclass(frozen=True)
class _Colours:
    """A colour change: one table per channel and a saturation."""

    table: NDArray[np.uint8]
    saturation: float

    @staticmethod
    def draw(rng: Generator, strength: float) -> "_Colours":
        ramp = np.linspace(0, 1, 256)
        gamma = np.exp(rng.normal(0, strength))
        gains = np.exp(rng.normal(0, strength / 3, 3)) * np.exp(rng.normal(0, strength / 2))
        curves = np.clip(ramp[:, None] ** gamma * gains, 0, 1)
        return _Colours(
            (curves * 255).astype(np.uint8)[None], float(np.exp(rng.normal(0, strength)))
        )

    def apply(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        out = cv2.LUT(rgb, self.table)
        grey = cv2.cvtColor(cv2.cvtColor(out, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        return _uint8(cv2.addWeighted(out, self.saturation, grey, 1 - self.saturation, 0))


def _motion_blur(rgb: NDArray[np.uint8], rng: Generator) -> NDArray[np.uint8]:
    length = int(rng.integers(3, 12))
    line = np.zeros((length, length), np.float32)
    line[length // 2] = 1
    turn = cv2.getRotationMatrix2D(((length - 1) / 2, (length - 1) / 2), rng.uniform(0, 180), 1)
    kernel = np.asarray(cv2.warpAffine(line, turn, (length, length)), np.float32)
    return _uint8(cv2.filter2D(rgb, -1, kernel / max(float(kernel.sum()), 1e-6)))
