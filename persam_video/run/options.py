"""What can be asked of a run: the one place where its options are listed and explained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypedDict, TypeVar

from persam_video.config import Settings
from persam_video.images.reference_files import ReferenceFiles
from persam_video.images.search import SEEN
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
    """What is tracked in a source, and how.

    Attributes:
        mask: annotation of the first frame (a file, a label map (H, W), or an ``Annotation``), or
            a mapping from frame indices to such annotations: new ids begin in their frame, known
            ids are corrected there. Frames before the first annotation have no objects.
        prompts: objects of the first frame that boxes and points name instead of a mask.
        photos: annotated photos of objects to look for, from the first frame on; an id stands for
            the same object in all of them.
        min_score: match score, 0 to 1, from which an object of the photos counts as seen.
        settings: of the method; the defaults are the preset ``persam``.
        frames: which frames of the source.
        decoder: pyav or decord, for video files.
        backward: track objects whose first annotation is in the middle back to the first frame,
            too; that is done before the first result, and reads the source more than once.
        live: whether frames that arrive while the tracker is busy are dropped; ``None`` drops them
            for cameras and live streams.
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


@dataclass(frozen=True)
class FolderOptions(TrackOptions):
    """The same, and what is written.

    Attributes:
        overwrite: replace an earlier run in the folder.
        resume: continue an earlier run in the folder that was interrupted or killed; masks and
            lines come out as if it had not been. A finished run is left as it is, and without an
            earlier run this begins one.
        outputs: what to write beside masks and lines, which are always written because a run
            resumes from them.
        writing: how outputs are written; the stride is that of ``frames`` in any case.
        keep: files that the run does not read itself and must not write to either, such as the
            configuration that its settings come from.
        snapshot_seconds: how often the state to resume from is written; 0 for every frame. An
            interrupted run leaves it in any case.
    """

    overwrite: bool = False
    resume: bool = False
    outputs: Sequence[Output] = DEFAULT_OUTPUTS
    writing: SinkOptions = field(default_factory=SinkOptions)
    keep: Sequence[Path] = ()
    snapshot_seconds: float = SNAPSHOT_SECONDS


class TrackKeywords(TypedDict, total=False):
    """The fields of ``TrackOptions`` as keywords of a call; ``None`` leaves one as it is."""

    prompts: Sequence[ObjectPrompts]
    photos: Sequence[ReferenceFiles]
    min_score: float
    settings: Settings | None
    frames: FrameRange
    decoder: DecoderName
    backward: bool
    live: bool | None


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
    files = [Path(mask) for mask in masks if isinstance(mask, (str, Path))]
    files += [file for photo in options.photos for file in (photo.image, photo.mask)]
    if options.settings.model.checkpoint is not None:
        files.append(Path(options.settings.model.checkpoint))
    return source_inputs(source) | ProtectedInputs((*files, *options.keep))
