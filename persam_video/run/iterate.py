"""Tracking as an iterator of results, without files."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from persam_video.results import FrameResult
from persam_video.run.annotations import Masks
from persam_video.run.options import TrackKeywords, TrackOptions, with_keywords
from persam_video.run.session import open_session
from persam_video.sam.model import SamModel

if TYPE_CHECKING:
    from typing_extensions import Unpack


def track(
    source: str | Path | int,
    mask: Masks | None = None,
    options: TrackOptions | None = None,
    *,
    model: SamModel | None = None,
    **keywords: "Unpack[TrackKeywords]",
) -> Iterator[FrameResult]:
    """Track annotated objects through a source, one frame at a time.

    The call itself opens source, annotations and model, so problems with them are raised before
    the first result is requested.

    Args:
        source: video file, folder of images, glob, camera index or URL.
        mask: annotation of the first frame, or annotations by frame, as in ``TrackOptions``; not
            needed if ``prompts`` or ``photos`` name the objects.
        options: what to track, and how.
        model: a loaded model, to share between videos; by default the settings' model is loaded.
        **keywords: fields of ``TrackOptions``; they override those of ``options``.

    Raises:
        PersamVideoError: the source, an annotation, the model or a setting cannot be used.

    Examples:
        >>> for result in track("clip.mp4", {0: "first.png", 40: "more.png"}):  # doctest: +SKIP
        ...     print(result.index, [(o.object_id, o.box) for o in result.objects])
    """
    options = with_keywords(options or TrackOptions(), mask, {**keywords})
    with ExitStack() as stack:
        session = stack.enter_context(open_session(source, options, model))
        kept = stack.pop_all()

    def results() -> Iterator[FrameResult]:
        with kept:
            backward = session.go_back(Path(kept.enter_context(TemporaryDirectory())))
            for frame in session.images():
                yield session.track(frame, backward)

    return results()
