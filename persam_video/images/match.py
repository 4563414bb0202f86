"""Match score: whether a mask shows the object of a photo, and not just any object.

The IoU that a SAM predicts says how well a mask fits whatever it is on: it is as high on a car as
on the dog that was looked for. Here the parts of the two are compared, by the matching keys of
their cells: how similar each cell of the mask is to the nearest one of the object, and vice versa,
so that neither a part of the object nor the object together with other things scores high.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from persam_video.persam.matching import Memory, object_cells


def match_score(keys: Tensor, coverage: Tensor, memories: Sequence[Memory]) -> float:
    """Return the similarity of a mask and an object, part by part.

    Args:
        keys: (1, D, h, w) L2-normalised keys of the image.
        coverage: (h, w) how much of each cell the mask covers, 0 to 1.
        memories: photos of the object; the most similar one counts.

    Returns:
        Mean cosine similarity of the nearest parts, both ways; 0 to 1, and 0 for an empty mask.
    """
    return max((_match(keys, coverage, memory) for memory in memories), default=0.0)


def _match(keys: Tensor, coverage: Tensor, memory: Memory) -> float:
    here = keys[0][:, object_cells(coverage[None])[0]].float()
    there = memory.keys[0][:, object_cells(memory.coverage[None])[0]].float()
    if not here.shape[1] or not there.shape[1]:
        return 0.0
    similarity = here.T @ there
    both = (similarity.amax(dim=1).mean() + similarity.amax(dim=0).mean()) / 2
    return float(torch.nan_to_num(both, nan=0.0).clamp(0, 1))
