"""Two runs side by side: a self-contained HTML page, and a video."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from persam_video.drawing.colours import overlay_colour
from persam_video.drawing.overlay import draw_overlay
from persam_video.drawing.tags import draw_caption
from persam_video.errors import DatasetError, SourceError
from persam_video.masks.folder import MaskFiles
from persam_video.report import pictures
from persam_video.report.charts import Band, curve, middle
from persam_video.report.comparison import (
    FrameAgreement,
    ObjectAgreement,
    agreement,
    by_object,
    most_different,
    together,
)
from persam_video.report.html import css_colour, rendered
from persam_video.report.picture import (
    PLAIN,
    WITHOUT_IMAGE,
    Picture,
    encoded,
    picture_size,
    resized,
)
from persam_video.report.plots import ticks
from persam_video.report.run_report import check_page
from persam_video.results import FrameResult
from persam_video.run.mask_folder import match_masks
from persam_video.run.outputs import OutputPaths
from persam_video.run.stored import StoredResults, open_stored
from persam_video.sinks.outputs import Output, SinkOptions
from persam_video.util.atomic import check_free, staged, write_bytes
from persam_video.util.inputs import ProtectedInputs
from persam_video.video import Frame, SourceInfo, VideoWriter

MOST_WITH_PICTURES = 6
"""Frames that differ and get pictures."""

_FALLBACK_FPS = Fraction(30)


@dataclass(frozen=True)
class RunComparison:
    """What a comparison says.

    Attributes:
        frames: number of frames that both runs have.
        objects: in order of id.
        different: the frames that differ most, the worst first.
        page: the page; ``None`` if none was asked for.
        video: the video; ``None`` if none was asked for.
        warnings: one line each.
    """

    frames: int
    objects: tuple[ObjectAgreement, ...]
    different: tuple[FrameAgreement, ...]
    page: Path | None
    video: Path | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _ShownObject:
    """An object on the page.

    Attributes:
        figures: its figures.
        colour: its colour as a CSS value.
        iou: the curve of the IoU, as the points of SVG polylines.
        a: the same for J&F of the first run; empty without truth.
        b: the same for the second run.
    """

    figures: ObjectAgreement
    colour: str
    iou: tuple[str, ...]
    a: tuple[str, ...]
    b: tuple[str, ...]


@dataclass(frozen=True)
class _ShownFrame:
    """A frame that differs, with the pictures of both runs and of their difference."""

    agreement: FrameAgreement
    pictures: tuple[Picture, ...]


def compare_runs(
    a: str | Path,
    b: str | Path,
    page: str | Path | None = None,
    *,
    video: str | Path | None = None,
    truth: str | Path | None = None,
    source: str | Path | None = None,
    overwrite: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> RunComparison:
    """Compare two runs over the same video.

    Args:
        a: folder of a run, or of indexed PNG masks from any program.
        b: the same for the second run.
        page: HTML file to write, with curves of the agreement and pictures of the frames that
            differ most.
        video: video file to write, with both runs side by side.
        truth: folder of indexed PNGs with the true masks of all or some frames, which both runs are
            scored against by J&F. The first frame does not count, as it was given.
        source: the video that was tracked; where one of the runs found it by default.
        overwrite: replace existing files.
        on_progress: called with the number of frames that are done and the total.

    Raises:
        DatasetError: a folder does not hold a run that can be read, the runs have no frame in
            common or frames of different sizes, or the truth does not fit.
        SourceError: the source is needed, and cannot be read or found.
        AnnotationError: a true mask cannot be read.
        OutputError: an output cannot be written, exists already, or would replace an input.

    Examples:
        >>> compared = compare_runs("one", "other", "compare.html")  # doctest: +SKIP
        >>> [(o.object_id, o.iou) for o in compared.objects]  # doctest: +SKIP
    """
    pair = _Pair.of(Path(a), Path(b), source)
    place, film = (None if out is None else Path(out) for out in (page, video))
    if place is not None:
        check_page(place, overwrite=overwrite)
    if film is not None:
        Output.OVERLAY.kind.check(film, SinkOptions())
        check_free(film, overwrite=overwrite)
    true = _Truth.of(truth, pair)
    missing = pair.why_no_frames()
    if film is not None and missing is not None:
        raise SourceError(missing)
    frames: list[FrameAgreement] = []
    objects: dict[int, str | None] = {}
    with ExitStack() as outputs, pair.opened(with_frames=film is not None) as (one, other):
        inputs = one.inputs | other.inputs | true.inputs
        inputs.check([out for out in (place, film) if out is not None])
        # both appear, or neither
        new_page, new_film = (
            None if out is None else outputs.enter_context(staged(out)) for out in (place, film)
        )
        total = min(
            (stored.record.frames_done for stored in (one, other) if stored.record), default=0
        )
        with ExitStack() as stack:
            writer = None if new_film is None else stack.enter_context(_film(new_film, one))
            for frame, first, second in together(one.results, other.results):
                _check_sizes(pair, first, second)
                for result in (second, first):
                    objects |= {o.object_id: o.name for o in result.objects if o.name is not None}
                labels = true.labels(first.index, first.labels.shape) if frames else None
                frames.append(agreement(first.index, first, second, labels))
                if writer is not None:
                    writer.write(_side_by_side(frame, first, second, pair.names), frame.time)
                on_progress(len(frames), max(total, len(frames)))
        info, warnings = one.info, (*one.warnings, *other.warnings)
        if not frames:
            raise DatasetError(
                f"{pair.a} and {pair.b} have no frame in common; compare runs of one video"
            )
        comparison = RunComparison(
            len(frames),
            by_object(frames, objects),
            most_different(frames, MOST_WITH_PICTURES),
            place,
            film,
            warnings,
        )
        if new_page is not None:
            if missing is not None:
                text = f"{missing}; the page has no pictures of the frames"
                comparison = replace(comparison, warnings=(*warnings, text))
            different = _pictured(pair, comparison.different, true, with_image=missing is None)
            page_text = _rendered(pair, comparison, frames, different, info, truth)
            write_bytes(new_page, page_text.encode())
    return comparison


def _rendered(
    pair: "_Pair",
    comparison: RunComparison,
    frames: Sequence[FrameAgreement],
    different: list[_ShownFrame],
    info: SourceInfo,
    truth: str | Path | None,
) -> str:
    indices = [agreement.frame for agreement in frames]
    return rendered(
        "comparison.html",
        comparison=comparison,
        names=pair.names,
        folders=(pair.a, pair.b),
        truth=truth,
        info=info,
        objects=[_shown(figures, frames) for figures in comparison.objects],
        ticks=ticks(indices),
        marks=[
            Band(
                middle(indices.index(agreement.frame), len(indices)), 0, f"frame {agreement.frame}"
            )
            for agreement in comparison.different
        ],
        different=different,
        colours={
            "a": css_colour(pictures.MISSED),
            "b": css_colour(pictures.EXTRA),
            "swapped": css_colour(pictures.SWAPPED),
        },
    )


@dataclass(frozen=True)
class _Pair:
    """Two runs over one source.

    Attributes:
        a: folder of the first run.
        b: folder of the second run.
        source: what was given, or what one of the runs found; ``None`` if neither tells.
    """

    a: Path
    b: Path
    source: str | Path | None

    @classmethod
    def of(cls, a: Path, b: Path, source: str | Path | None) -> "_Pair":
        """Take two folders, and look the source up if it was not given."""
        for folder in (a, b) if source is None else ():
            if OutputPaths(folder).record.exists():
                with open_stored(folder, with_frames=False) as stored:
                    source = source or stored.info.path
        return cls(a, b, source)

    @property
    def names(self) -> tuple[str, str]:
        """What the two are called: their folders, with as much of the path as tells them apart."""
        one, other = self.a.resolve().parts, self.b.resolve().parts
        for length in range(1, max(len(one), len(other))):
            if one[-length:] != other[-length:]:
                return str(Path(*one[-length:])), str(Path(*other[-length:]))
        return str(self.a), str(self.b)

    def why_no_frames(self) -> str | None:
        """Return why the frames cannot be shown; ``None`` if they can."""
        try:
            with self.opened(with_frames=True):
                return None
        except SourceError as error:
            with self.opened(with_frames=False):  # raises for masks, which need their source
                return str(error)

    @contextmanager
    def opened(self, *, with_frames: bool) -> Iterator[tuple[StoredResults, StoredResults]]:
        """Open both; the frames come with the results of the first."""
        with (
            open_stored(self.a, self.source, with_frames=with_frames) as one,
            open_stored(self.b, self.source, with_frames=False) as other,
        ):
            yield one, other


@dataclass(frozen=True)
class _Truth:
    """The true masks.

    Attributes:
        masks: by the index of their frame.
        files: what reads them; ``None`` without any.
    """

    masks: dict[int, Path]
    files: MaskFiles | None

    @classmethod
    def of(cls, folder: str | Path | None, pair: _Pair) -> "_Truth":
        """Find the true masks of a folder."""
        if folder is None:
            return cls({}, None)
        if pair.source is None:
            raise SourceError(
                f"{pair.a}: does not tell which video was tracked, so that the frames of the truth "
                "are not known; pass --source"
            )
        masks = match_masks(Path(folder), pair.source)
        if not masks:
            raise DatasetError(f"{folder}: holds no PNG; give the folder of the true masks")
        return cls(masks, MaskFiles(list(masks.values())))

    @property
    def inputs(self) -> ProtectedInputs:
        """What must not be written to."""
        return ProtectedInputs(
            tuple(self.masks.values()), {path.parent: {".png"} for path in self.masks.values()}
        )

    def labels(self, index: int, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
        """Return the true labels of a frame, uint8 (H, W); ``None`` where they are not known.

        Raises:
            DatasetError: they have another shape.
        """
        path = self.masks.get(index)
        if path is None or self.files is None:
            return None
        labels = self.files.read(path)
        if labels.shape != shape:
            raise DatasetError(
                f"{path}: is {labels.shape[1]}x{labels.shape[0]}, the frames of the runs are "
                f"{shape[1]}x{shape[0]}; give the truth of this video"
            )
        return labels


def _check_sizes(pair: _Pair, a: FrameResult, b: FrameResult) -> None:
    if a.labels.shape != b.labels.shape:
        (height, width), (tall, wide) = a.labels.shape, b.labels.shape
        raise DatasetError(
            f"{pair.a} has frames of {width}x{height} and {pair.b} of {wide}x{tall}; "
            "compare runs of one video"
        )


def _film(place: Path, stored: StoredResults) -> VideoWriter:
    info = stored.info
    return VideoWriter(
        place,
        size=(2 * info.width, info.height),
        fps=(info.fps or _FALLBACK_FPS) / stored.stride,
        pixel_aspect=info.pixel_aspect,
    )


def _side_by_side(
    frame: Frame, a: FrameResult, b: FrameResult, names: tuple[str, str]
) -> NDArray[np.uint8]:
    halves = []
    for result, name in zip((a, b), names, strict=True):
        half = draw_overlay(frame.rgb, result.labels, result.objects)
        draw_caption(half, name)
        halves.append(half)
    return np.concatenate(halves, axis=1)


def _shown(figures: ObjectAgreement, frames: Sequence[FrameAgreement]) -> _ShownObject:
    object_id = figures.object_id
    nan = float("nan")

    def quality(part: str) -> tuple[str, ...]:
        values = [getattr(agreement, part).get(object_id) for agreement in frames]
        return curve([nan if value is None else value.mean for value in values])

    return _ShownObject(
        figures,
        css_colour(overlay_colour(object_id)),
        curve([agreement.iou.get(object_id, nan) for agreement in frames]),
        quality("a"),
        quality("b"),
    )


def _pictured(
    pair: _Pair, different: tuple[FrameAgreement, ...], true: _Truth, *, with_image: bool
) -> list[_ShownFrame]:
    """Draw the frames that differ, in the order in which they are given."""
    drawn: dict[int, tuple[Picture, ...]] = {}
    wanted = {agreement.frame for agreement in different}
    with pair.opened(with_frames=with_image) as (one, other):
        for frame, a, b in together(one.results, other.results):
            if len(drawn) == len(wanted):
                break
            if a.index in wanted:
                labels = true.labels(a.index, a.labels.shape)
                rgb = frame.rgb if with_image else np.full_like(frame.rgb, PLAIN)
                drawn[a.index] = _pictures(rgb, a, b, labels, pair.names, with_image=with_image)
    return [_ShownFrame(agreement, drawn[agreement.frame]) for agreement in different]


def _pictures(
    rgb: NDArray[np.uint8],
    a: FrameResult,
    b: FrameResult,
    truth: NDArray[np.uint8] | None,
    names: tuple[str, str],
    *,
    with_image: bool,
) -> tuple[Picture, ...]:
    height, width = a.labels.shape
    size = picture_size(height, width)
    base = resized(rgb, size)

    def small(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.asarray(cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST), np.uint8)

    style = None if with_image else WITHOUT_IMAGE
    shown = {names[0]: a.labels, names[1]: b.labels}
    if truth is not None:
        shown["truth"] = truth
    drawn = [
        encoded(title, draw_overlay(base, small(labels), style=style))
        for title, labels in shown.items()
    ]
    difference = pictures.error_map(base, small(a.labels), small(b.labels))
    drawn.insert(2, encoded("difference", difference))
    return tuple(drawn)
