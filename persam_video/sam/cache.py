"""Where downloaded weights lie.

torch.hub's folder of checkpoints serves, because many tools put SAM's files there under the same
names: what one has fetched, all find. It is ``$TORCH_HOME/hub/checkpoints``, by default
``$XDG_CACHE_HOME/torch/hub/checkpoints`` or ``~/.cache/torch/hub/checkpoints``.
"""

from pathlib import Path

from torch import hub

from persam_video.sam.registry import PublishedWeights


def cache_folder() -> Path:
    """Return the folder that downloaded weights go to; it need not exist yet."""
    return Path(hub.get_dir()) / "checkpoints"


def cached_path(weights: PublishedWeights) -> Path:
    """Return where a published file lies once it is downloaded."""
    return cache_folder() / weights.file_name


def embedded_path() -> Path:
    """Return the weight file of the embedded model, which is a part of the package."""
    return Path(__file__).parent / "weights" / "lite.safetensors"
