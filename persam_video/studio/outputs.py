"""Export outputs of a session."""

import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from persam_video.drawing.colours import parse_colour
from persam_video.results import FrameResult
from persam_video.run.export import Exported
from persam_video.sinks.outputs import (
    Output,
    SinkOptions,
    check_options,
    open_sink,
    parse_outputs,
    place_of,
)
from persam_video.studio.marking import MarkedVideo
from persam_video.studio.run_folder import RunFolder, shown_frames
from persam_video.util.atomic import staged
from persam_video.video import Frame, FrameStream

OnFrame = Callable[[int, int], None]


def export_session(
    session: MarkedVideo,
    run: RunFolder,
    output: Output | str,
    options: SinkOptions | None,
    on_frame: OnFrame | None,
) -> Exported:
    """Write an output of a session; see ``InteractiveSession.export``."""
    (chosen,) = parse_outputs([output])
    options = as_shown(session, options or SinkOptions())
    run.save()
    place = target = place_of(chosen, session.paths.exports)
    if chosen.kind.folder_suffixes:
        target = place.with_name(f"{place.name}.zip")
    check_options([chosen], session.paths.exports, options)
    indices = shown_frames(session)
    pairs = _frames(session, indices, pictures=chosen.kind.shows_frames)
    with staged(target) as written:  # an earlier export stays until this one is complete
        unpacked = written.with_name(place.name)
        with open_sink(chosen, unpacked, session.info, options) as sink:
            for done, (frame, result) in enumerate(pairs, start=1):
                sink.write(frame, result)
                if on_frame is not None:
                    on_frame(done, len(indices))
        if unpacked != written:
            _zip(unpacked, written)
    return Exported(chosen, target, len(indices), sink.warnings, sink.coverage)


def as_shown(session: MarkedVideo, options: SinkOptions) -> SinkOptions:
    """Return options with the session's names and colours, where they have none of their own."""
    colours = {o.id: parse_colour(o.colour) for o in session.objects if o.has_own_colour}
    style = replace(options.style, colours={**colours, **options.style.colours})
    return replace(options, names={**session.names, **options.names}, style=style)


def _frames(
    session: MarkedVideo, indices: list[int], *, pictures: bool
) -> Iterator[tuple[Frame, FrameResult]]:
    """Yield frames with their results; the frames are black without ``pictures``."""
    if pictures:
        wanted = set(indices)
        with FrameStream(
            session.source, start=indices[0] if indices else 0, stop=indices[-1] + 1
        ) as stream:
            yield from ((f, session.result(f.index)) for f in stream if f.index in wanted)
        return
    black = np.zeros((*session.size, 3), np.uint8)
    for index in indices:
        line = session.journal.line(index)
        result = session.result(index)
        name = session.frame(index).name if line is None else line.name
        yield Frame(index, black, result.time, name=name), result


def _zip(folder: Path, archive: Path) -> None:
    """Put a folder into a ZIP file."""
    # the files are already compressed
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                file.write(path, f"{folder.name}/{path.relative_to(folder).as_posix()}")
