"""Annotations made from boxes and points by the model, and from files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from persam_video.config import Settings, load_settings
from persam_video.masks.annotation import Annotation
from persam_video.prompting import ObjectPrompts, annotate, prompt_warnings
from persam_video.run.annotations import AnnotatedFrames, Mask, load_annotations
from persam_video.run.frames import FrameRange, open_stream
from persam_video.sam.build import load_model
from persam_video.sam.model import SamModel
from persam_video.video import Frame


@dataclass(frozen=True)
class PromptedFrame:
    """A frame that was annotated by boxes, points or a file.

    Attributes:
        frame: the frame.
        annotation: its objects.
        warnings: warnings about the prompts and the file, one line each.
    """

    frame: Frame
    annotation: Annotation
    warnings: tuple[str, ...]


def annotate_frame(
    source: str | Path | int,
    index: int,
    prompts: Sequence[ObjectPrompts],
    *,
    mask: Mask | None = None,
    settings: Settings | None = None,
) -> PromptedFrame:
    """Make the annotation of one frame of a source from boxes and points, and from a file.

    Args:
        source: video file, folder of images, glob, camera index or URL.
        index: index of the frame, from 0.
        prompts: one per object.
        mask: annotation of other objects.
        settings: only ``model`` is used.

    Raises:
        PersamVideoError: the source, a prompt, the mask or the model cannot be used.
    """
    masks = None if mask is None else {index: mask}
    frames = FrameRange(index, index + 1)
    with open_stream(source, "pyav", frames) as stream:
        annotations = load_annotations(masks, stream.info, frames, prompts, source=source)
        frame = next(stream)
    warnings = annotations.warnings
    if prompts:
        model = load_model(settings or load_settings())
        annotations = add_prompted(annotations, model, frame, prompts)
        warnings += tuple(prompt_warnings(model, prompts))
    return PromptedFrame(frame, annotations.by_frame[index], warnings)


def add_prompted(
    annotations: AnnotatedFrames, model: SamModel, frame: Frame, prompts: Sequence[ObjectPrompts]
) -> AnnotatedFrames:
    """Annotate the objects that boxes and points name, besides those that have masks.

    Raises:
        AnnotationError: a prompt does not fit the frame, or gives an empty mask.
    """
    return annotations.add(frame.index, annotate(model, frame.rgb, prompts))
