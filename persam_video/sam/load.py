"""The model that settings ask for."""

import logging

from persam_video.config import Settings
from persam_video.sam.build import load_sam
from persam_video.sam.model import SamModel

_log = logging.getLogger(__name__)


def load_model(settings: Settings) -> SamModel:
    """Load the model that settings ask for.

    Raises:
        ModelError: see :func:`persam_video.sam.build.load_sam`.
    """
    chosen = settings.model
    model = load_sam(
        chosen.name,
        chosen.checkpoint,
        device=chosen.device,
        precision=chosen.precision,
        image_size=chosen.image_size,
    )
    info = model.info
    _log.info(
        "model %s (sha256 %s) on %s in %s, images of %d pixels",
        info.name,
        info.sha256,
        info.device,
        info.precision,
        info.image_size,
    )
    return model
