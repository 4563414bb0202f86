"""The options of a run, listed and explained in one place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypedDict, TypeVar

from persam_video.config import Settings
from persam_video.images.reference_files import ReferenceFiles
from persam_video.images.search import SEEN
from persam_video.masks import MaskFile
from persam_video.prompting import ObjectPrompts
from persam_video.run.annotations import Masks
from persam_video.run.frames import ALL_FRAMES, FrameRange
from persam_video.sinks.outputs import DEFAULT_OUTPUTS, Output, SinkOptions
from persam_video.util.inputs import ProtectedInputs
from persam_video.video.inputs import source_inputs
from persam_video.video.stream import DecoderName

SNAPSHOT_SECONDS = 1.0
"""How much work a run that is killed may lose, at most, beyond the frame it was at."""


@dataclass(frozen=True)
class TrackOptions:
    """What to track in a source, and how.

    Attributes:
        mask: annotation of the first frame (a picture, a label map (H, W), or an ``Annotation``) or
            of the frames that a labelling program's file names, or a mapping from frame indices to
            such annotations: new ids start in their frame, known ids are corrected there. Frames
            before the first annotation have no objects.
        prompts: boxes and points that name objects of the first frame, instead of a mask.
        photos: reference photos of objects to search for from the first frame on; an id denotes
            the same object in all of them.
        min_score: match score, 0 to 1, from which an object of the photos counts as seen.
        settings: settings of the method; the preset ``persam`` by default.
        frames: the frames to track.
        decoder: pyav or decord, for video files.
        backward: also track objects whose first annotation is in the middle back to the first
            frame. This happens before the first result, and reads the source more than once.
        live: drop frames that arrive while the tracker is busy; ``None`` does so for cameras and
            live streams only.
        soft: compute soft masks from the model's logits; cut-outs and backgrounds use them for
            their edges. They are not stored: results that a resumed run or the backward pass reads
            from files have none.
    """

    mask: Masks | None = None
    prompts: Sequence[ObjectPrompts] = ()
    photos: Sequence[ReferenceFiles] = ()
    min_score: float = SEEN
    settings: Settings = field(default_factory=Settings)
    frames: FrameRange = ALL_FRAMES
    decoder: DecoderName = "pyav"
    backward: bool = False
    live: bool | None = None
    soft: bool = False


@dataclass(frozen=True)
class FolderOptions(TrackOptions):
    """What to track, how, and what to write.

    Attributes:
        overwrite: replace an earlier run in the folder.
        resume: continue an interrupted or killed run in the folder; masks and tracks are the same
            as without the interruption. A finished run is left as it is; if there is no earlier
            run, a new one starts.
        outputs: outputs besides masks and tracks, which are always written because a run resumes
            from them.
        writing: how to write outputs; the stride is always that of ``frames``.
        keep: further files that the run must not overwrite, such as the configuration that its
            settings come from.
        snapshot_seconds: interval between snapshots of the tracker's state; 0 for every frame. An
            interrupted run always leaves one.
    """

    overwrite: bool = False
    resume: bool = False
    outputs: Sequence[Output] = DEFAULT_OUTPUTS
    writing: SinkOptions = field(default_factory=SinkOptions)
    keep: Sequence[Path] = ()
    snapshot_seconds: float = SNAPSHOT_SECONDS


class TrackKeywords(TypedDict, total=False):
    """The fields of ``TrackOptions`` as keyword arguments; ``None`` keeps the default."""

    prompts: Sequence[ObjectPrompts]
    photos: Sequence[ReferenceFiles]
    min_score: float
    settings: Settings | None
    frames: FrameRange
    decoder: DecoderName
    backward: bool
    live: bool | None
    soft: bool


class FolderKeywords(TrackKeywords, total=False):
    """The fields of ``FolderOptions`` as keywords of a call; ``None`` leaves one as it is."""

    overwrite: bool
    resume: bool
    outputs: Sequence[Output]
    writing: SinkOptions | None
    keep: Sequence[Path]
    snapshot_seconds: float


Options = TypeVar("Options", bound=TrackOptions)


def with_keywords(options: Options, mask: Masks | None, keywords: dict[str, Any]) -> Options:
    """Return options with the mask and the keywords of a call in the place of their own."""
    given = {name: value for name, value in keywords.items() if value is not None}
    return replace(options, **given) if mask is None else replace(options, mask=mask, **given)


def run_inputs(source: str | Path | int, options: FolderOptions) -> ProtectedInputs:
    """Return what a run reads, and must not write to."""
    masks = options.mask.values() if isinstance(options.mask, Mapping) else [options.mask]
    marked = [mask for mask in masks if isinstance(mask, (str, Path, MaskFile))]
    files: list[Path] = []
    if options.settings.model.checkpoint is not None:
        files.append(Path(options.settings.model.checkpoint))
    files += [*options.writing.files, *options.keep]
    inputs = source_inputs(source) | ProtectedInputs(tuple(files))
    for mask in marked:
        inputs |= MaskFile.of(mask).inputs
    for photo in options.photos:
        inputs |= photo.inputs
    return inputs
