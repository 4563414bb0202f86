"""Shapes followed from frame to frame, as an auto-annotation function for CVAT's trackers.

It is run by an agent: ``cvat-cli function run-agent ID --function-module
persam_video.plugins.cvat.tracker``.
"""

from typing import TYPE_CHECKING

import cvat_sdk.auto_annotation as cvataa

from persam_video.config import Settings
from persam_video.masks.annotation import Annotation
from persam_video.plugins.cvat.pictures import encode, ending_in_one_line, load
from persam_video.plugins.cvat.shapes import box_in_frame, mask_of, points_of
from persam_video.prompting import ObjectPrompts, annotate, encode_for_prompts
from persam_video.sam.model import SamModel
from persam_video.tracking.ahead import EncodedFrame
from persam_video.tracking.tracker import Tracker

if TYPE_CHECKING:
    from PIL.Image import Image


class ShapeTracker:
    """Follows masks, polygons and rectangles, each by a tracker of its own.

    Args:
        model: the SAM.
        settings: how to track.
    """

    spec = cvataa.TrackingFunctionSpec(supported_shape_types={"mask", "polygon", "rectangle"})

    def __init__(self, model: SamModel, settings: Settings) -> None:
        self._model = model
        self._settings = settings

    def preprocess_image(
        self, context: cvataa.TrackingFunctionContext, image: "Image"
    ) -> EncodedFrame:
        """Encode a frame once for all shapes in it."""
        return encode(self._model, image)

    def init_tracking_state(
        self,
        context: cvataa.TrackingFunctionShapeContext,
        pp_image: EncodedFrame,
        shape: cvataa.TrackableShape,
    ) -> Tracker:
        """Learn a shape in its first frame; a rectangle is segmented first.

        Raises:
            AnnotationError: the shape is empty, or cannot be read.
        """
        tracker = Tracker(self._model, self._settings)
        tracker.step(pp_image, self._annotation(pp_image, shape))
        return tracker

    def track(
        self,
        context: cvataa.TrackingFunctionShapeContext,
        pp_image: EncodedFrame,
        state: Tracker,
    ) -> cvataa.TrackableShape | None:
        """Return the shape in the next frame; ``None`` where it is lost."""
        labels = state.step(pp_image).labels
        if not labels.any():
            return None
        kind = context.original_shape_type
        return cvataa.TrackableShape(type=kind, points=points_of(labels > 0, kind))

    def _annotation(self, frame: EncodedFrame, shape: cvataa.TrackableShape) -> Annotation:
        size = frame.size
        if shape.type != "rectangle":
            return Annotation.from_labels(mask_of(shape.points, shape.type, size))
        box = ObjectPrompts(1, box_in_frame(shape.points, size))
        embeddings = encode_for_prompts(self._model, frame.rgb, frame.encoding.result())
        return annotate(self._model, frame.rgb, [box], embeddings=embeddings)


def create(
    preset: str = "persam", model: str | None = None, device: str | None = None
) -> ShapeTracker:
    """Make the function; an error ends the program in one line.

    The parameters are those of ``persam_video.plugins.cvat.pictures.load``.
    """
    with ending_in_one_line():
        settings, loaded = load(preset, model, device)
    return ShapeTracker(loaded, settings)
