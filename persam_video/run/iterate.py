"""Results one by one, without files."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from persam_video.config import Settings, load_settings
from persam_video.images.reference_files import ReferenceFiles
from persam_video.prompting import ObjectPrompts
from persam_video.results import FrameResult
from persam_video.run.frames import ALL_FRAMES, FrameRange
from persam_video.run.opened import Inputs, open_run
from persam_video.run.references import Masks
from persam_video.sam.model import SamModel
from persam_video.video.stream import DecoderName


def track(
    source: str | Path | int,
    mask: Masks,
    *,
    settings: Settings | None = None,
    model: SamModel | None = None,
    decoder: DecoderName = "pyav",
    frames: FrameRange = ALL_FRAMES,
    backward: bool = False,
    live: bool | None = None,
    prompts: Sequence[ObjectPrompts] = (),
    photos: Sequence[ReferenceFiles] = (),
) -> Iterator[FrameResult]:
    """Track the objects of annotations through a source, one frame at a time.

    Source, annotations and model are opened by the call itself, so what is wrong with them shows
    before the first result is asked for.

    Args:
        source: video file, folder of images, glob, camera index or URL.
        mask: annotation of the first frame (a file, a label map (H, W), or an
            ``Annotation``), or a mapping from frame indices to such annotations: new ids begin
            in their frame, known ids are corrected there. Frames before the first annotation have
            no objects.
        settings: the preset ``persam`` when not given.
        model: a loaded model, to share it between videos; loaded by the settings when not given.
        decoder: pyav or decord.
        frames: which frames.
        backward: track objects whose first annotation is in the middle back to the first frame,
            too; that is done before the first result, and reads the source more than once.
        live: whether frames that come while tracking is busy are left out; by default for cameras
            and live streams.
        prompts: objects of the first frame that boxes and points name instead of a mask; give an
            empty mapping for ``mask`` when there are no others.
        photos: annotated photos of objects to look for, from the first frame on; an id stands for
            the same object in all of them. Give an empty mapping for ``mask``, too.

    Raises:
        PersamVideoError: the source, an annotation, the model or a setting cannot be used.

    Example:
        >>> for result in track("clip.mp4", {0: "first.png", 40: "more.png"}):  # doctest: +SKIP
        ...     print(result.index, [(o.object_id, o.box) for o in result.objects])
    """
    inputs = Inputs(
        source,
        mask,
        settings or load_settings(),
        decoder=decoder,
        frames=frames,
        backward=backward,
        live=live,
        prompts=prompts,
        photos=photos,
    )
    with ExitStack() as stack:
        opened = stack.enter_context(open_run(inputs, model))
        kept = stack.pop_all()

    def results() -> Iterator[FrameResult]:
        with kept:
            earlier = opened.go_back(Path(kept.enter_context(TemporaryDirectory())))
            for frame in opened.images():
                result = opened.tracker.step(frame, opened.references.get(frame.index))
                yield result if earlier is None else earlier.merge_backward(result)

    return results()
