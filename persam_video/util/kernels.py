"""How many compiled kernels torch keeps."""

import os

_CAPACITIES = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "192", "LRU_CACHE_CAPACITY": "16"}
"""By the names that oneDNN, and torch's layer above it, read them: a frame takes about 150 kernels
with the embedded model. The upper layer finds in the lower what it has dropped."""


def bound_kernel_caches() -> None:
    """Let torch keep the kernels of the last frames only, unless the environment says how many.

    By default it keeps a thousand and more. They are compiled for inputs of one shape, and views
    of a frame come in many: about 13 MiB each with the embedded model.

    Call it before torch is imported; after that, and before it computes anything, it has half of
    the effect.
    """
    for name, capacity in _CAPACITIES.items():
        os.environ.setdefault(name, capacity)
