"""The run-length code of Label Studio's brush.

A picture of bytes, four for each pixel, is a string of bits: its length (32 bits), the size of a
word less one (5), four sizes of counts, each less one (4 each), and then runs. A run has a bit that
says whether it repeats one word, two bits that say which of the four sizes its count has, the count
less one, and its words.
"""

import numpy as np
from numpy.typing import NDArray

_WORD = 8
_SIZES = (4, 8, 12, 16)
_LONGEST = 1 << _SIZES[-1]


def brush_code(mask: NDArray[np.bool_]) -> list[int]:
    """Return the code of a mask (H, W), as bytes."""
    pixels = mask.ravel()
    edges = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    starts = np.concatenate(([0], edges))
    lengths = np.diff(np.append(starts, pixels.size)) * 4
    bits = [f"{4 * pixels.size:032b}{_WORD - 1:05b}", *(f"{size - 1:04b}" for size in _SIZES)]
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        word = "1" * _WORD if pixels[start] else "0" * _WORD
        for done in range(0, length, _LONGEST):
            count = min(_LONGEST, length - done) - 1
            which = next(n for n, size in enumerate(_SIZES) if count < 1 << size)
            bits.append(f"1{which:02b}{count:0{_SIZES[which]}b}{word}")
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8, "big"))
