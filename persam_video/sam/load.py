"""The model that settings ask for."""

from persam_video.config import Settings
from persam_video.sam.build import load_sam
from persam_video.sam.model import SamModel


def load_model(settings: Settings) -> SamModel:
    """Load the model that settings ask for.

    Raises:
        ModelError: see :func:`persam_video.sam.build.load_sam`.
    """
    chosen = settings.model
    return load_sam(
        chosen.name,
        chosen.checkpoint,
        device=chosen.device,
        precision=chosen.precision,
        image_size=chosen.image_size,
    )
