"""The objects of a synthetic clip: shaded, textured pictures with a sharp outline.

A body is drawn once into a square that spans [-1, 1] in both of its own axes (u to the right, v
down; a body heads along +u) and lit again in every frame, so that its bright side keeps facing the
light while it turns.
"""

from enum import Enum
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from persam_video.synthetic.noise import fractal_noise, smoothstep

Tint = tuple[float, float, float]
"""RGB, 0 to 1."""

_OUTLINE_SUPERSAMPLING = 4
_WARM_WHITE = np.array((0.96, 0.94, 0.88), np.float32)


class Kind(str, Enum):
    """What an object looks like."""

    KOI = "koi"
    BALL = "ball"
    LEAF = "leaf"


class Body(Protocol):
    """Something that can be lit and drawn."""

    def render(self, time: float, light: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the body as it looks at one moment.

        Args:
            time: in frames; drives the body's own movement (swimming, rolling).
            light: unit vector towards the light in the body's axes (u, v, towards the viewer).

        Returns:
            float32 array of shape (S, S, 4): RGB times coverage, and coverage, 0 to 1.
        """


def make_body(kind: Kind, tint: Tint, size: int, rng: np.random.Generator) -> Body:
    """Draw a body into a square of ``size`` pixels."""
    if kind is Kind.KOI:
        return _koi(tint, size, rng)
    if kind is Kind.LEAF:
        return _leaf(tint, size, rng)
    return Ball(tint, size, rng)


class Relief:
    """A flat body with a rounded surface; it may swing its tail."""

    def __init__(
        self,
        albedo: NDArray[np.float32],
        coverage: NDArray[np.float32],
        height: NDArray[np.float32],
        *,
        gloss: float,
        swing: float = 0.0,
    ):
        """Store the surface.

        Args:
            albedo: (S, S, 3) colours, 0 to 1.
            coverage: (S, S), 0 to 1.
            height: (S, S) surface height in pixels.
            gloss: strength of the highlights.
            swing: how far the tail end moves sideways, in body units.
        """
        self._albedo = albedo
        self._coverage = coverage
        self._gloss = gloss
        self._swing = swing
        slope_v, slope_u = np.gradient(height)
        normal = np.dstack([-slope_u, -slope_v, np.ones_like(height)])
        normal /= np.linalg.norm(normal, axis=2, keepdims=True)
        self._normal: NDArray[np.float32] = normal.astype(np.float32)

    def render(self, time: float, light: NDArray[np.float32]) -> NDArray[np.float32]:
        """See ``Body``."""
        picture = _lit(self._albedo, self._normal, self._coverage, light, self._gloss)
        if self._swing == 0:
            return picture
        size = len(picture)
        u, v = _axes(size)
        behind = np.clip(0.35 - u, 0, None) / 1.35  # the head does not swing
        offset = self._swing * behind**1.5 * np.sin(0.42 * time + 2.2 * u)
        to_pixels = size / 2
        map_u = (u + 1) * to_pixels - 0.5
        map_v = (v + offset + 1) * to_pixels - 0.5
        swung = cv2.remap(picture, map_u, map_v.astype(np.float32), cv2.INTER_LINEAR)
        return np.asarray(swung, np.float32)


class Ball:
    """A rubber ball that rolls in three dimensions."""

    def __init__(self, tint: Tint, size: int, rng: np.random.Generator):
        """Compute the visible half of the sphere and its skin (longitude by latitude)."""
        u, v = _axes(size)
        radius = 0.96
        inside = np.clip(1 - (u * u + v * v) / radius**2, 0, 1)
        self._normal = np.dstack([u / radius, v / radius, np.sqrt(inside)]).astype(np.float32)
        edge = (radius - np.sqrt(u * u + v * v)) * size / 2
        self._coverage = np.clip(edge + 0.5, 0, 1).astype(np.float32)
        self._skin = _ball_skin(tint, rng)
        axis = np.array([0.35, 1.0, 0.25])
        self._axis = axis / np.linalg.norm(axis)

    def render(self, time: float, light: NDArray[np.float32]) -> NDArray[np.float32]:
        """See ``Body``."""
        turn, _ = cv2.Rodrigues(self._axis * (0.05 * time))
        x, y, z = cv2.split(self._normal @ turn.astype(np.float32))
        rows, columns = self._skin.shape[:2]
        longitude = (np.arctan2(x, z) / (2 * np.pi) + 0.5) * (columns - 1)
        latitude = (np.arcsin(np.clip(y, -1, 1)) / np.pi + 0.5) * (rows - 1)
        skin = cv2.remap(self._skin, longitude, latitude, cv2.INTER_LINEAR)
        albedo = np.asarray(skin, np.float32)
        return _lit(albedo, self._normal, self._coverage, light, gloss=0.55)


def _lit(
    albedo: NDArray[np.float32],
    normal: NDArray[np.float32],
    coverage: NDArray[np.float32],
    light: NDArray[np.float32],
    gloss: float,
) -> NDArray[np.float32]:
    """Blinn-Phong shading with a sky term; premultiplied RGB and coverage."""
    diffuse = np.clip(normal @ light, 0, 1)
    half = light + np.array([0, 0, 1], np.float32)
    half /= np.linalg.norm(half)
    highlight = np.clip(normal @ half, 0, 1) ** 40
    shade = 0.34 + 0.22 * normal[..., 2] + 0.56 * diffuse
    colour = albedo * shade[..., None] + gloss * highlight[..., None]
    return np.dstack([np.clip(colour, 0, 1) * coverage[..., None], coverage]).astype(np.float32)


def _ball_skin(tint: Tint, rng: np.random.Generator) -> NDArray[np.float32]:
    """A marbled skin with one paler band; shape (256, 512, 3)."""
    shape = (256, 512)
    marble = smoothstep(-0.6, 0.9, fractal_noise(shape, rng, period=90, octaves=4))
    grain = fractal_noise(shape, rng, period=5, octaves=2)
    latitude = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None]
    band = 1 - smoothstep(0.1, 0.13, np.abs(latitude))
    base = _colour(tint)
    skin = _mix(0.72 * base, _lighter(base, 0.18), marble)
    skin = _mix(skin, _lighter(base, 0.62), 0.85 * band)
    skin *= (1 + 0.025 * grain)[..., None]
    # Both ends of the longitude meet at the back; blend them so that no seam rolls into view.
    ramp = np.linspace(0, 1, 64, dtype=np.float32)[None, :, None]
    skin[:, -64:] = skin[:, -64:] * (1 - ramp) + skin[:, :64][:, ::-1] * ramp
    return np.clip(skin, 0, 1).astype(np.float32)


def _koi(tint: Tint, size: int, rng: np.random.Generator) -> Relief:
    """A carp seen from above: spindle body, fan tail, two side fins."""
    stations = np.array(
        [
            (0.94, 0.0), (0.92, 0.09), (0.84, 0.17), (0.66, 0.25), (0.4, 0.295), (0.1, 0.295),
            (-0.2, 0.255), (-0.45, 0.19), (-0.6, 0.165), (-0.74, 0.21), (-0.88, 0.28),
            (-0.95, 0.27), (-0.95, 0.14), (-0.92, 0.0),
        ]
    )  # fmt: skip
    flank = _smooth_curve(stations)
    body = np.vstack([flank, flank[::-1] * (1, -1)])
    fin = _smooth_curve(
        np.array(
            [(0.46, 0.22), (0.42, 0.35), (0.28, 0.43), (0.08, 0.42), (0.04, 0.32), (0.1, 0.22)]
        )
    )
    trunk = _coverage([body], size)
    coverage = _coverage([body, fin, fin * (1, -1)], size)
    u, v = _axes(size)
    blotch = smoothstep(-0.2, 0.7, fractal_noise((size, size), rng, period=0.3 * size, octaves=3))
    grain = fractal_noise((size, size), rng, period=0.03 * size, octaves=2)
    scales = np.sin(52 * u) * np.sin(52 * v) * smoothstep(0.7, 0.5, u)
    base = _colour(tint)
    albedo = _mix(base, _lighter(base, 0.45), 0.75 * blotch)
    spine = np.exp(-((v / 0.09) ** 2)) * smoothstep(-0.7, -0.3, u)
    albedo = _mix(albedo, 0.62 * base, 0.6 * spine)
    fins = np.clip(coverage - trunk + smoothstep(-0.58, -0.75, u), 0, 1)
    rays = 0.5 + 0.5 * np.sin(90 * v - 25 * np.abs(u) * v)
    albedo = _mix(albedo, _lighter(0.9 * base, 0.3), fins * (0.55 + 0.3 * rays))
    albedo *= (1 + 0.05 * scales + 0.03 * grain)[..., None]
    for side in (-1, 1):
        eye = np.hypot(u - 0.74, v - side * 0.135) * size / 2
        albedo = _mix(albedo, _colour((0.06, 0.05, 0.05)), np.clip(0.022 * size - eye, 0, 1))
    height = _rounded_height(trunk, 0.13 * size) * 0.75 + 0.06 * size * coverage
    return Relief(_finish(albedo), coverage, _soft(height, size), gloss=0.22, swing=0.17)


def _leaf(tint: Tint, size: int, rng: np.random.Generator) -> Relief:
    """An autumn leaf with shallow lobes, a short stalk and pale veins."""
    angle = np.linspace(-np.pi, np.pi, 720, endpoint=False)
    lobes = np.radians([0, 52, -52, 105, -105])
    reach = np.array([0.4, 0.3, 0.3, 0.22, 0.22])
    gap = np.angle(np.exp(1j * (angle[:, None] - lobes[None])))
    radius = 0.53 + (reach * np.exp(-(np.abs(gap / 0.36) ** 1.7))).sum(axis=1)
    radius += 0.012 * np.sin(31 * angle) * (np.abs(angle) < 2.4)
    outline = np.column_stack([radius * np.cos(angle) - 0.02, radius * np.sin(angle)])
    stalk = np.array([(-0.35, -0.06), (-0.68, -0.05), (-0.7, 0.055), (-0.35, 0.06)])
    blade = _coverage([outline], size)
    coverage = _coverage([outline, stalk], size)
    u, v = _axes(size)
    patches = smoothstep(-1, 1.2, fractal_noise((size, size), rng, period=0.4 * size, octaves=4))
    grain = fractal_noise((size, size), rng, period=0.06 * size, octaves=3)
    base = _colour(tint)
    albedo = _mix(0.7 * base, _lighter(base, 0.22), patches)
    veins = np.zeros((size, size), np.float32)
    root = np.array((-0.42, 0.0))
    for lobe, length in zip(lobes, reach + 0.42, strict=True):
        tip = np.array((np.cos(lobe), np.sin(lobe))) * length
        _stroke(veins, root, tip, 0.026)
        along = tip - root
        for share in (0.4, 0.55, 0.7, 0.85):
            for turn in (-0.75, 0.75):
                cos, sin = np.cos(turn), np.sin(turn)
                side = np.array((cos * along[0] - sin * along[1], sin * along[0] + cos * along[1]))
                start = root + share * along
                _stroke(veins, start, start + side * 0.3 * (1.05 - share), 0.012)
    _stroke(veins, root, np.array((-0.7, 0.0)), 0.08)
    albedo = _mix(albedo, _lighter(base, 0.5), 0.42 * veins)
    albedo *= (1 + 0.05 * grain)[..., None]
    curl = 0.05 * size * (np.cos(2.2 * v) + 0.35 * np.sin(3 * u + 1))
    height = curl + _rounded_height(blade, 0.05 * size) * 0.5 + 0.008 * size * veins
    return Relief(_finish(albedo), coverage, _soft(height, size), gloss=0.1)


def _axes(size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The body coordinates (u, v) of every pixel centre, each of shape (size, size)."""
    line = ((np.arange(size) + 0.5) * 2 / size - 1).astype(np.float32)
    u, v = np.meshgrid(line, line)
    return u, v


def _smooth_curve(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points along the Catmull-Rom curve through ``points`` (N, 2), twelve to a piece."""
    padded = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    t = np.linspace(0, 1, 12, endpoint=False)[:, None]
    pieces = [
        0.5
        * (
            2 * b
            + (c - a) * t
            + (2 * a - 5 * b + 4 * c - d) * t**2
            + (3 * b - a - 3 * c + d) * t**3
        )
        for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False)
    ]
    return np.vstack([*pieces, points[-1:]])


def _coverage(polygons: list[NDArray[np.float64]], size: int) -> NDArray[np.float32]:
    """How much of each pixel lies in the union of polygons given in body units; (size, size)."""
    big = size * _OUTLINE_SUPERSAMPLING
    canvas = np.zeros((big, big), np.uint8)
    for polygon in polygons:
        cv2.fillPoly(canvas, [np.rint((polygon + 1) * big / 2).astype(np.int32)], 255)
    small = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(small / 255, np.float32)


def _stroke(
    canvas: NDArray[np.float32],
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    width: float,
) -> None:
    """Draw a line given in body units over ``canvas`` (S, S), in place."""
    size = len(canvas)
    ends = [tuple(np.rint((p + 1) * size / 2 * 16).astype(int).tolist()) for p in (start, end)]
    layer = np.zeros(canvas.shape, np.uint8)
    thickness = max(1, round(width * size / 2))
    cv2.line(layer, ends[0], ends[1], 255, thickness, cv2.LINE_AA, shift=4)
    np.maximum(canvas, layer.astype(np.float32) / 255, out=canvas)


def _rounded_height(coverage: NDArray[np.float32], bevel: float) -> NDArray[np.float32]:
    """A quarter-circle profile that rises from the outline over ``bevel`` pixels."""
    inside = (coverage >= 0.5).astype(np.uint8)
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    rise = np.clip(distance / bevel, 0, 1)
    return np.asarray(bevel * np.sqrt(1 - (1 - rise) ** 2), np.float32)


def _soft(height: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    blurred = cv2.GaussianBlur(height.astype(np.float32), (0, 0), max(0.8, 0.012 * size))
    return np.asarray(blurred, np.float32)


def _colour(rgb: Tint) -> NDArray[np.float32]:
    return np.array(rgb, np.float32)


def _lighter(colour: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """The colour moved towards a warm white."""
    return np.asarray(colour + (_WARM_WHITE - colour) * share, np.float32)


def _mix(
    below: NDArray[np.float32], above: NDArray[np.float32], share: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Blend two colours (or pictures) by an opacity map of shape (S, S)."""
    weight = share[..., None]
    return (below * (1 - weight) + above * weight).astype(np.float32)


def _finish(albedo: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.clip(albedo, 0, 1).astype(np.float32)
