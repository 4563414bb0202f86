"""The background of a synthetic clip: the bed of a shallow pond, filmed by a moving camera."""

import cv2
import numpy as np
from numpy.typing import NDArray

from persam_video.synthetic.noise import fractal_noise, smoothstep

_MARGIN = 0.16  # margin for the camera's motion on each side, as a share of the picture's size
_STONES = np.array(
    [(0.47, 0.45, 0.39), (0.38, 0.37, 0.33), (0.52, 0.47, 0.37), (0.33, 0.35, 0.31),
     (0.43, 0.44, 0.43), (0.40, 0.35, 0.28)],
    np.float32,
)  # fmt: skip


class Pond:
    """A bed of stones and silt that the camera pans over, under rippling light."""

    def __init__(self, width: int, height: int, rng: np.random.Generator):
        """Draw the bed once, larger than the picture."""
        self._size = (width, height)
        shape = (round(height * (1 + 2 * _MARGIN)), round(width * (1 + 2 * _MARGIN)))
        self._bed = _bed(shape, height, rng)
        self._waves = [fractal_noise(shape, rng, period=0.22 * height, octaves=2) for _ in range(2)]
        self._phase = rng.uniform(0, 2 * np.pi)

    def view(self, progress: float) -> NDArray[np.float32]:
        """Return the background at one moment.

        Args:
            progress: 0 at the start of the clip, 1 at its end.

        Returns:
            float32 array of shape (H, W, 3), RGB, 0 to 1.
        """
        width, height = self._size
        sway = np.sin(2 * np.pi * 0.8 * progress + self._phase)
        shift = (0.6 * _MARGIN * width * (2 * progress - 1), 0.5 * _MARGIN * height * sway)
        zoom = 1.0 - 0.04 * progress
        bed = self._crop(self._bed, zoom, shift)
        # Caustics: light through waves gathers in thin lines where two drifting fields balance.
        drift = 0.5 * _MARGIN * height * progress
        one = self._crop(self._waves[0], zoom, (shift[0] + drift, shift[1]))
        two = self._crop(self._waves[1], zoom, (shift[0], shift[1] - drift))
        light = 0.97 + 0.14 * np.exp(-((one + two) ** 2) / 0.12)
        return np.asarray(bed * light[..., None], np.float32)

    def _crop(
        self, canvas: NDArray[np.float32], zoom: float, shift: tuple[float, float]
    ) -> NDArray[np.float32]:
        width, height = self._size
        rows, columns = canvas.shape[:2]
        x = columns / 2 + shift[0] - zoom * width / 2
        y = rows / 2 + shift[1] - zoom * height / 2
        matrix = np.array([[zoom, 0, x], [0, zoom, y]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        view = cv2.warpAffine(
            canvas, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT_101
        )
        return np.asarray(view, np.float32)


def _bed(shape: tuple[int, int], height: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Stones of three sizes half buried in silt, slightly out of focus; (H, W, 3)."""
    silt = np.array((0.36, 0.36, 0.30), np.float32)
    patches = fractal_noise(shape, rng, period=0.7 * height, octaves=5)
    bed = silt * (1 + 0.10 * patches)[..., None]
    for share in (0.035, 0.07, 0.13):
        stones, cover = _stones(shape, share * height, rng)
        sunk = smoothstep(-0.5, 0.6, fractal_noise(shape, rng, period=0.5 * height, octaves=3))
        bed += (stones - bed) * (cover * sunk)[..., None]
    algae = smoothstep(0.2, 2.0, fractal_noise(shape, rng, period=0.6 * height, octaves=4))
    bed += (np.array((0.22, 0.29, 0.15), np.float32) - bed) * (0.55 * algae)[..., None]
    bed *= (1 + 0.05 * fractal_noise(shape, rng, period=6, octaves=3))[..., None]
    blurred = cv2.GaussianBlur(bed, (0, 0), height / 240)
    return np.clip(blurred, 0, 1).astype(np.float32)


def _stones(
    shape: tuple[int, int], spacing: float, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pebbles about ``spacing`` pixels apart: their picture (H, W, 3) and their coverage (H, W)."""
    height, width = shape
    count = int(height * width / spacing**2)
    seeds = np.ones(shape, np.uint8)
    seeds[rng.integers(0, height, count), rng.integers(0, width, count)] = 0
    _, cells = cv2.distanceTransformWithLabels(
        seeds, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    # Bend the straight borders between the cells.
    wobble = [0.16 * spacing * fractal_noise(shape, rng, period=spacing, octaves=2) for _ in "xy"]
    grid_x, grid_y = np.meshgrid(np.arange(width), np.arange(height))
    map_x = (grid_x + wobble[0]).astype(np.float32)
    map_y = (grid_y + wobble[1]).astype(np.float32)
    cells = cv2.remap(
        cells.astype(np.float32), map_x, map_y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT
    ).astype(np.int32)
    border = (cells != np.roll(cells, 1, 0)) | (cells != np.roll(cells, 1, 1))
    inwards = cv2.distanceTransform((~border).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    bulge = np.clip(inwards / (0.38 * spacing), 0, 1)
    surface = cv2.GaussianBlur(np.sqrt(bulge * (2 - bulge)), (0, 0), max(0.8, 0.05 * spacing))
    slope_y, slope_x = np.gradient(surface * 0.38 * spacing)
    shade = np.clip(0.92 - 0.32 * (0.6 * slope_x + 0.75 * slope_y), 0.35, 1.5)
    kinds = rng.integers(0, len(_STONES), cells.max() + 1)
    tones = rng.uniform(0.78, 1.22, cells.max() + 1).astype(np.float32)
    picture = _STONES[kinds[cells]] * (tones[cells] * shade)[..., None]
    return picture.astype(np.float32), smoothstep(0.04, 0.22, bulge)
