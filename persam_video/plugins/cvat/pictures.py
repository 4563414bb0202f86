"""What the functions share: the model, and frames as CVAT gives them."""

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from persam_video.config import Settings, load_settings
from persam_video.errors import PersamVideoError
from persam_video.sam.build import load_model
from persam_video.sam.model import ImageEmbedding, SamModel
from persam_video.tracking.ahead import EncodedFrame

if TYPE_CHECKING:
    from PIL.Image import Image


def load(preset: str, model: str | None, device: str | None) -> tuple[Settings, SamModel]:
    """Return the settings of a preset, and their model.

    Args:
        preset: name of a preset, or a YAML file.
        model: ``lite``, ``vit_t`` and so on; that of the preset when not given.
        device: ``cpu``, ``cuda`` and so on; that of the preset when not given.

    Raises:
        ConfigError: there is no such preset, model or device.
        ModelError: the model cannot be loaded.
    """
    given = {"model.name": model, "model.device": device}
    # frames are encoded as a whole, once for all shapes in them, so each cannot have its own view
    fixed = {"zoom.limit": 1.0}
    settings = load_settings(preset, {k: v for k, v in given.items() if v} | fixed)
    return settings, load_model(settings)


def encode(model: SamModel, image: "Image") -> EncodedFrame:
    """Encode a frame once for all that is asked about it."""
    rgb = np.asarray(image.convert("RGB"), np.uint8)
    encoding: Future[ImageEmbedding] = Future()
    encoding.set_result(model.encode(rgb))
    return EncodedFrame(0, rgb, 0.0, encoding)


@contextmanager
def ending_in_one_line() -> Iterator[None]:
    """End the program, which is cvat-cli, with what the user can do about an error."""
    try:
        yield
    except PersamVideoError as error:
        raise SystemExit(f"persam-video: error: {error}") from error
