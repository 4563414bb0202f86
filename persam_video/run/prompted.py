"""Annotations made from boxes and points, which takes a model."""

from collections.abc import Sequence
from pathlib import Path

from persam_video.config import Settings, load_settings
from persam_video.masks.annotation import Annotation
from persam_video.prompting import ObjectPrompts, annotate
from persam_video.run.annotations import AnnotatedFrames
from persam_video.run.frames import FrameRange, open_stream
from persam_video.sam.build import load_model
from persam_video.sam.model import SamModel
from persam_video.video import Frame


def annotate_frame(
    source: str | Path | int,
    index: int,
    prompts: Sequence[ObjectPrompts],
    *,
    settings: Settings | None = None,
) -> tuple[Frame, Annotation]:
    """Make the annotation of one frame of a source from boxes and points.

    Args:
        source: see ``persam_video.run.track``.
        index: of the frame, from 0.
        prompts: one for each object.
        settings: of which ``model`` counts.

    Raises:
        PersamVideoError: the source, a prompt or the model cannot be used.
    """
    with open_stream(source, "pyav", FrameRange(index, index + 1)) as stream:
        for prompt in prompts:
            prompt.check((stream.info.height, stream.info.width))
        frame = next(stream)
    return frame, annotate(load_model(settings or load_settings()), frame.rgb, prompts)


def add_prompted(
    annotations: AnnotatedFrames, model: SamModel, frame: Frame, prompts: Sequence[ObjectPrompts]
) -> AnnotatedFrames:
    """Annotate the objects that boxes and points name in a frame, beside those that have masks.

    Raises:
        AnnotationError: a prompt does not fit the frame, or gives an empty mask.
    """
    return annotations.add(frame.index, annotate(model, frame.rgb, prompts))
