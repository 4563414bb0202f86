"""A run as one self-contained HTML page: what was tracked, and which frames need review."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from persam_video.drawing.colours import overlay_colour
from persam_video.drawing.overlay import draw_overlay
from persam_video.errors import DatasetError, SourceError
from persam_video.masks.boxes import Box, box_of, centred
from persam_video.report.charts import Band, middle
from persam_video.report.findings import Finding, ObjectFacts, Reason, frames_to_look_at
from persam_video.report.html import css_colour, rendered
from persam_video.report.observer import Observer
from persam_video.report.picture import (
    LONG_SIDE,
    PLAIN,
    WITHOUT_IMAGE,
    Picture,
    encoded,
    picture_size,
    resized,
)
from persam_video.report.plots import Period, Plot, by_object, lost_bands, object_plots, ticks
from persam_video.results import FrameResult
from persam_video.run.stored import open_stored
from persam_video.util.atomic import check_free, check_suffix, write_output
from persam_video.video import Frame, SourceInfo

MOST_WITH_PICTURES = 12
"""Frames to review that get pictures."""

_STRIP = 8
"""Frames of the overview, at even distances."""

_ROOM = 1.15
"""Sides of a crop, in sides of the box around the objects."""

_STRIP_SIDE = 320
"""Pixels of their long sides."""


@dataclass(frozen=True)
class ObjectSummary:
    """One object over a whole run.

    Attributes:
        object_id: its id.
        name: its name; ``None`` if it has none.
        frames: number of frames in which it is known.
        lost: number of those in which it is lost.
        score: mean score of the others; NaN if there are none.
        likeness: mean likeness of its colours to those of its first frame, 0 to 1; NaN if unknown.
    """

    object_id: int
    name: str | None
    frames: int
    lost: int
    score: float
    likeness: float


@dataclass(frozen=True)
class RunReport:
    """What a report says.

    Attributes:
        place: the page.
        frames: number of frames.
        objects: in order of id.
        cuts: the frames that begin a new scene.
        findings: the frames to review, the most urgent first.
        warnings: one line each.
    """

    place: Path
    frames: int
    objects: tuple[ObjectSummary, ...]
    cuts: tuple[int, ...]
    findings: tuple[Finding, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _ShownObject:
    """An object on the page.

    Attributes:
        summary: its figures.
        colour: its colour as a CSS value.
        plots: its curves.
        lost: the periods in which it is lost.
        known: when it is known.
        marks: the findings of it, on the time axis.
    """

    summary: ObjectSummary
    colour: str
    plots: tuple[Plot, ...]
    lost: tuple[Period, ...]
    known: Band
    marks: tuple[Band, ...]


@dataclass(frozen=True)
class _Look:
    """A frame to review on the page.

    Attributes:
        findings: about one object in the frame, the most urgent first.
        pictures: the frame to compare with, and the frame itself.
    """

    findings: tuple[Finding, ...]
    pictures: tuple[Picture, ...]


def report_run(
    run: str | Path,
    out: str | Path | None = None,
    *,
    source: str | Path | None = None,
    overwrite: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> RunReport:
    """Write what a run found as one self-contained HTML page; no ground truth is needed.

    The page shows area, score, speed and colours of each object over time, when it was lost, and
    the frames that most need review, with pictures. If the source can no longer be read, colours,
    motion and pictures are missing, and a warning says so.

    Args:
        run: folder of the run, or of indexed PNG masks from any program.
        out: the file; ``report.html`` in the folder of the run by default.
        source: the video that was tracked; where the run found it by default. For masks it must be
            given.
        overwrite: replace an existing file.
        on_progress: called with the number of measured frames and the total.

    Raises:
        DatasetError: the folder does not hold a run that can be read, or no frame.
        SourceError: ``source`` cannot be read, or is not the one that was tracked.
        OutputError: the page cannot be written, exists already, or would replace an input.

    Examples:
        >>> report = report_run("result")  # doctest: +SKIP
        >>> [(found.frame, found.text) for found in report.findings]  # doctest: +SKIP
    """
    folder = Path(run)
    place = folder / "report.html" if out is None else Path(out)
    check_page(place, overwrite=overwrite)
    missing = _why_no_frames(folder, source)
    frames: dict[int, Mapping[int, ObjectFacts]] = {}
    names: dict[int, str | None] = {}
    cuts: list[int] = []
    observer = Observer()
    with open_stored(folder, source, with_frames=missing is None) as stored:
        stored.inputs.check([place])
        for frame, result in stored.results:
            names |= {known.object_id: known.name for known in result.objects}
            cuts += [result.index] if result.cut else []
            frames[result.index] = observer.see(result, None if missing else frame.rgb)
            on_progress(len(frames), stored.record.frames_done if stored.record else len(frames))
        info, stride, record = stored.info, stored.stride, stored.record
        warnings = stored.warnings
    if not frames:
        raise DatasetError(f"{folder}: holds no frame; check how it was tracked")
    if missing is not None:
        warnings += (f"{missing}; the report has no pictures of the frames",)
    findings = frames_to_look_at(frames, stride=stride)
    indices = list(frames)
    strip = [indices[i] for i in np.linspace(0, len(indices) - 1, _STRIP).round().astype(int)]
    looks = _grouped(findings)
    album = _Album(looks[:MOST_WITH_PICTURES], {*strip}, with_image=missing is None)
    with open_stored(folder, source, with_frames=missing is None) as stored:
        album.fill(stored.results)
    objects = _objects(frames, indices, findings, names)
    report = RunReport(
        place,
        len(frames),
        tuple(shown.summary for shown in objects),
        tuple(cuts),
        tuple(findings),
        warnings,
    )
    text = rendered(
        "run.html",
        report=report,
        name=folder.resolve().name,
        info=info,
        span=_span(info, indices),
        objects=objects,
        ticks=ticks(indices),
        cuts=[
            Band(100 * indices.index(cut) / len(indices), 0, f"a new scene from {cut} on")
            for cut in cuts
        ],
        looks=album.looks(),
        others=[found for look in looks[MOST_WITH_PICTURES:] for found in look],
        strip=[album.strip[index] for index in sorted({*strip})],
        run=record,
    )
    write_output(place, text.encode())
    return report


def check_page(place: Path, *, overwrite: bool) -> None:
    """Check that a page can be written.

    Raises:
        OutputError: its name does not end in ``.html``, or it exists and may not be replaced.
    """
    check_suffix(place, ".html", ".htm")
    check_free(place, overwrite=overwrite)


def _why_no_frames(folder: Path, source: str | Path | None) -> str | None:
    """Return why the frames of a run cannot be shown; ``None`` if they can.

    Raises:
        PersamVideoError: the run itself, or the source that was asked for, cannot be read.
    """
    try:
        with open_stored(folder, source, with_frames=True):
            return None
    except SourceError as error:
        if source is not None:
            raise
        with open_stored(folder, with_frames=False):  # raises for masks, which need their source
            return str(error)


def _span(info: SourceInfo, indices: list[int]) -> str:
    """Return how long the tracked frames last."""
    if not info.fps:
        return ""
    seconds = (indices[-1] - indices[0] + 1) / float(info.fps)
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.1f} min"


def _objects(
    frames: Mapping[int, Mapping[int, ObjectFacts]],
    indices: list[int],
    findings: Iterable[Finding],
    names: Mapping[int, str | None],
) -> list[_ShownObject]:
    count = len(indices)
    places = {index: place for place, index in enumerate(indices)}
    shown = []
    for object_id, facts in by_object(frames):
        begin = next(place for place, known in enumerate(facts) if known is not None)
        own = [found for found in findings if found.object_id == object_id]
        marks = tuple(
            Band(middle(places[found.frame], count), 0, f"{found.frame}: {found.text}")
            for found in own
            if found.reason is not Reason.LOST
        )
        shown.append(
            _ShownObject(
                _summary(
                    object_id, names[object_id], [known for known in facts if known is not None]
                ),
                css_colour(overlay_colour(object_id)),
                object_plots(facts, indices),
                lost_bands(facts, indices),
                Band(100 * begin / count, 100 * (count - begin) / count),
                marks,
            )
        )
    return shown


def _summary(object_id: int, name: str | None, facts: list[ObjectFacts]) -> ObjectSummary:
    seen = [known for known in facts if not known.lost]
    alike = [known.likeness for known in seen if known.likeness is not None]
    return ObjectSummary(
        object_id,
        name,
        len(facts),
        len(facts) - len(seen),
        float(np.mean([known.score for known in seen])) if seen else np.nan,
        float(np.mean(alike)) if alike else np.nan,
    )


def _grouped(findings: Iterable[Finding]) -> list[tuple[Finding, ...]]:
    """Put the findings about one object in one frame together, in order of the first."""
    groups: dict[tuple[int, int], list[Finding]] = {}
    for found in findings:
        groups.setdefault((found.frame, found.object_id), []).append(found)
    return [tuple(group) for group in groups.values()]


def _around(region: NDArray[np.bool_]) -> Box:
    """Return the crop of 4:3 around the objects; the whole frame if none is large enough."""
    height, width = region.shape
    box = box_of(region)
    if box is None:
        return 0, 0, width, height
    x0, y0, x1, y1 = box
    high = round(max(_ROOM * (y1 - y0), _ROOM * (x1 - x0) * 3 / 4, height / 4))
    wide = round(high * 4 / 3)
    if high > height or wide > width:
        return 0, 0, width, height
    return centred(box, (wide, high), (height, width))


class _Album:
    """The pictures of a report, drawn in one pass over the frames.

    Attributes:
        strip: pictures of whole frames by index.
    """

    def __init__(
        self, looks: list[tuple[Finding, ...]], strip: set[int], *, with_image: bool
    ) -> None:
        self.strip: dict[int, Picture] = {}
        self._looks = looks
        self._wanted = strip
        self._with_image = with_image
        self._needed = strip | {i for found, *_ in looks for i in (found.since, found.frame)}
        self._kept: dict[int, tuple[NDArray[np.uint8], NDArray[np.uint8]]] = {}

    def fill(self, results: Iterable[tuple[Frame, FrameResult]]) -> None:
        """Keep the frames that pictures are made of."""
        last = max(self._needed)
        for frame, result in results:
            if result.index in self._needed:
                self._keep(frame, result)
            if result.index >= last:
                return

    def looks(self) -> list[_Look]:
        """Return the frames to review, with their pictures."""
        return [_Look(findings, self._compared(findings[0])) for findings in self._looks]

    def _keep(self, frame: Frame, result: FrameResult) -> None:
        rgb = frame.rgb if self._with_image else np.full_like(frame.rgb, PLAIN)
        height, width = result.labels.shape
        if result.index in self._wanted:
            size = picture_size(height, width, _STRIP_SIDE)
            self.strip[result.index] = encoded(
                f"frame {result.index}", self._drawn(rgb, result.labels, size)
            )
        # cut-outs are a quarter of a frame or more, so that this suffices for them
        size = picture_size(height, width, min(2 * LONG_SIDE, max(height, width)))
        labels = cv2.resize(result.labels, size, interpolation=cv2.INTER_NEAREST)
        self._kept[result.index] = resized(rgb, size), np.asarray(labels, np.uint8)

    def _compared(self, found: Finding) -> tuple[Picture, ...]:
        frames = [i for i in sorted({found.since, found.frame}) if i in self._kept]
        ids = [i for i in (found.object_id, found.other) if i is not None]
        region = np.any([np.isin(self._kept[i][1], ids) for i in frames], axis=0)
        x0, y0, x1, y1 = _around(region)
        pictures = []
        for index in frames:
            rgb, labels = (kept[y0:y1, x0:x1] for kept in self._kept[index])
            size = picture_size(*labels.shape)
            pictures.append(encoded(f"frame {index}", self._drawn(rgb, labels, size)))
        return tuple(pictures)

    def _drawn(
        self, rgb: NDArray[np.uint8], labels: NDArray[np.uint8], size: tuple[int, int]
    ) -> NDArray[np.uint8]:
        labels = np.asarray(cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST), np.uint8)
        style = None if self._with_image else WITHOUT_IMAGE
        return draw_overlay(resized(rgb, size), labels, style=style)
