"""Clicks and boxes into masks, as an auto-annotation function for CVAT's interactors.

It is run by an agent: ``cvat-cli function run-agent ID --function-module
persam_video.plugins.cvat.interactor``.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cvat_sdk.auto_annotation as cvataa
import numpy as np
from numpy.typing import NDArray

from persam_video.plugins.cvat.pictures import ending_in_one_line, load
from persam_video.plugins.cvat.shapes import box_in_frame, points_of
from persam_video.prompting import ObjectPrompts, annotate, encode_for_prompts
from persam_video.sam.model import ImageEmbedding, SamModel

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class EncodedPicture:
    """A picture for clicks and boxes.

    Attributes:
        rgb: uint8 (H, W, 3).
        embeddings: what ``encode_for_prompts`` gives for it.
    """

    rgb: NDArray[np.uint8]
    embeddings: tuple[ImageEmbedding, ...]


class Interactor:
    """Segments the object that points, a box, or both name in one frame.

    Args:
        model: the SAM.
    """

    spec = cvataa.InteractionFunctionSpec(min_pos_points=0, min_neg_points=0, min_bounding_boxes=0)

    def __init__(self, model: SamModel) -> None:
        self._model = model

    def preprocess_image(
        self, context: cvataa.InteractionFunctionContext, image: "Image"
    ) -> EncodedPicture:
        """Encode a frame, which CVAT keeps for the next clicks."""
        rgb = np.asarray(image.convert("RGB"), np.uint8)
        return EncodedPicture(rgb, encode_for_prompts(self._model, rgb))

    def detect(
        self,
        context: cvataa.InteractionFunctionContext,
        pp_image: EncodedPicture,
        prompts: cvataa.InteractionPrompts,
    ) -> list[cvataa.InteractionResultShape]:
        """Return the mask as a shape; none while only points beside the object are given.

        Raises:
            AnnotationError: the prompts give an empty mask.
        """
        rgb = pp_image.rgb
        box = prompts.bounding_box
        if box is None and not prompts.pos_points:
            return []
        corners = None
        if box is not None:
            corners = box_in_frame([*box[0], *box[1]], (rgb.shape[0], rgb.shape[1]))
        named = ObjectPrompts(1, corners, tuple(prompts.pos_points), tuple(prompts.neg_points))
        answer = annotate(self._model, rgb, [named], embeddings=pp_image.embeddings)
        return [
            cvataa.InteractionResultShape(type="mask", points=points_of(answer.mask(1), "mask"))
        ]


def create(
    preset: str = "persam", model: str | None = None, device: str | None = None
) -> Interactor:
    """Make the function; an error ends the program in one line.

    The parameters are those of ``persam_video.plugins.cvat.pictures.load``.
    """
    with ending_in_one_line():
        return Interactor(load(preset, model, device)[1])
