"""Tone mapping from high to standard dynamic range.

Models expect pictures for ordinary screens. The values that PQ and HLG videos store would look
grey and flat if taken for such a picture. Source of the transfer functions: ITU-R BT.2100;
of the level of white in high dynamic range, 203 cd/m²: ITU-R BT.2408.
"""

from enum import Enum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_STEPS = 33
"""Points of the table along each of its three axes; between them is interpolated."""

_WHITE = 203.0  # cd/m²
_PEAK = 1000.0  # cd/m²; what is brighter is white
_KNEE = 0.8  # up to this share of white, brightness is kept

_DISPLAY_GAMMA = 2.4  # of BT.1886, which screens for BT.709 follow

# From linear BT.2020 to linear BT.709, as ITU-R BT.2407 has it.
_TO_BT709 = np.array(
    [
        [1.6605, -0.5876, -0.0728],
        [-0.1246, 1.1329, -0.0083],
        [-0.0182, -0.1006, 1.1187],
    ]
)
_LUMA = np.array([0.2627, 0.6780, 0.0593])  # of BT.2020


class Transfer(Enum):
    """A transfer function of high dynamic range, by its number in H.273."""

    PQ = 16
    HLG = 18

    @classmethod
    def of(cls, number: int) -> "Transfer | None":
        """Return the function with this number, or ``None`` if it is not an HDR one."""
        return next((transfer for transfer in cls if transfer.value == number), None)


def tone_map(stored: NDArray[np.float64], transfer: Transfer) -> NDArray[np.float64]:
    """Return the BT.709 colours that show BT.2020 colours of high dynamic range.

    Args:
        stored: (..., 3), RGB, 0 to 1.
        transfer: how they are stored.

    Returns:
        (..., 3), RGB, 0 to 1.
    """
    light = _pq_light(stored) if transfer is Transfer.PQ else _hlg_light(stored)
    rgb = (light / _WHITE) @ _TO_BT709.T
    brightest = np.maximum(rgb.max(axis=-1, keepdims=True), 1e-9)
    # all channels by the same factor, which keeps the hue
    rgb = rgb * (_shoulder(brightest) / brightest)
    return np.asarray(rgb.clip(0, 1) ** (1 / _DISPLAY_GAMMA))


def write_tone_curve(path: Path, transfer: Transfer) -> None:
    """Write ``tone_map`` as a table in the .cube format, which FFmpeg's filter lut3d reads."""
    axis = np.linspace(0, 1, _STEPS)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")  # red changes fastest
    mapped = tone_map(np.stack([red, green, blue], axis=-1), transfer).reshape(-1, 3)
    lines = [f"LUT_3D_SIZE {_STEPS}", *(f"{r:.6f} {g:.6f} {b:.6f}" for r, g, b in mapped)]
    path.write_text("\n".join(lines) + "\n", "ascii")


def _pq_light(stored: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return light in cd/m², by the EOTF of PQ."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    power = stored ** (1 / m2)
    return np.asarray(10_000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1))


def _hlg_light(stored: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return light in cd/m² on a screen of 1000, by the inverse OETF and the OOTF of HLG."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(stored <= 0.5, stored**2 / 3, (np.exp((stored - c) / a) + b) / 12)
    luma = (scene @ _LUMA)[..., np.newaxis]
    return np.asarray(_PEAK * np.maximum(luma, 1e-9) ** 0.2 * scene)


def _shoulder(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compress values above the knee; ``_PEAK`` becomes 1."""
    peak = (_PEAK / _WHITE - _KNEE) / (1 - _KNEE)
    above = np.maximum(value - _KNEE, 0) / (1 - _KNEE)
    pressed = above * (1 + above / peak**2) / (1 + above)  # Reinhard's, with a white point
    return np.asarray(np.minimum(value, _KNEE) + (1 - _KNEE) * np.minimum(pressed, 1))
