"""Making further outputs from the stored results of a run, without tracking again."""

from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from persam_video.errors import DatasetError, OutputError
from persam_video.run.stored import open_stored
from persam_video.sinks.outputs import Output, SinkOptions, known_output, open_sink
from persam_video.util.atomic import check_suffix, staged
from persam_video.util.inputs import OutputFolder


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        output: the kind of output.
        place: the file or folder.
        frames: number of frames written.
        warnings: warnings about the source and the output, one line each.
    """

    output: Output
    place: Path
    frames: int
    warnings: tuple[str, ...]


def export(
    run: str | Path,
    output: Output | str,
    out: str | Path,
    *,
    source: str | Path | None = None,
    options: SinkOptions | None = None,
    overwrite: bool = False,
) -> Exported:
    """Convert a run, or masks from any other program, to one output.

    The source is read only for outputs that show it, and for masks.

    Args:
        run: folder of a run, with ``tracks.jsonl`` and ``run.json``, or a folder of indexed PNGs;
            for their names see ``persam_video.run.mask_folder.match_masks``.
        output: the kind of output, or its name: coco, mot, overlay, …
        out: the file or folder to write.
        source: the video that was tracked; by default the path that the run recorded. Required
            for masks.
        options: how to write; the stride is always that of the run or the masks.
        overwrite: replace an existing file, or write into a folder that is not empty.

    Raises:
        DatasetError: the folder does not hold a readable run, its masks do not match the source,
            or none of its frames shows an object.
        SourceError: the source cannot be read, or is not the one that was tracked.
        OutputError: the output cannot be written, already exists, or would overwrite an input.
            Whatever existed before is unchanged.
        ConfigError: there is no such output, or a setting is out of range.

    Examples:
        >>> export("result", "coco", "coco.json")  # doctest: +SKIP
    """
    output = known_output(output)
    folder, place = Path(run), Path(out)
    options = options or SinkOptions()
    _check_place(place, output, options)
    with open_stored(folder, source, with_frames=output.kind.shows_frames) as stored:
        folders = [OutputFolder(place, output.kind.folder_suffixes)]
        stored.inputs.check([place], folders if output.kind.folder_suffixes else [])
        if not overwrite and (place.is_file() or (place.is_dir() and any(place.iterdir()))):
            raise OutputError(f"{place} already exists: pass --overwrite, or choose another name")
        options = replace(options, stride=stored.stride)
        # masks that do not fit show here, while nothing is written yet
        first = next(stored.results, None)
        results = chain(() if first is None else (first,), stored.results)
        count, seen = 0, False
        with staged(place) as written:
            with open_sink(output, written, stored.info, options) as sink:
                for frame, result in results:
                    sink.write(frame, result)
                    seen = seen or any(known.area for known in result.objects)
                    count += 1
            if not seen:
                raise DatasetError(
                    f"{folder}: none of its {count} frames shows an object, so that there is "
                    "nothing to convert; check how it was tracked"
                )
        return Exported(output, place, count, (*stored.warnings, *sink.warnings))


def render(
    run: str | Path,
    source: str | Path,
    out: str | Path,
    *,
    options: SinkOptions | None = None,
    overwrite: bool = False,
) -> Exported:
    """Draw the results of a run, or masks from any other program, over the video.

    Args:
        run: folder of a run or of masks, as for ``export``.
        source: the video that was tracked.
        out: the video file to write.
        options: how to draw and write.
        overwrite: replace an existing file.

    Raises:
        PersamVideoError: as for ``export``.

    Examples:
        >>> render("result", "clip.mp4", "overlay.mp4")  # doctest: +SKIP
    """
    return export(run, Output.OVERLAY, out, source=source, options=options, overwrite=overwrite)


def _check_place(place: Path, output: Output, options: SinkOptions) -> None:
    """Check that an output of this kind can be written to a place.

    Raises:
        ConfigError: an option is out of range.
        OutputError: the file has the wrong suffix, or the place is a folder.
    """
    output.kind.check(place, options)
    suffix = Path(output.kind.place).suffix
    if output.kind.folder_suffixes:
        if place.is_file():
            raise OutputError(f"{place} is a file: give a folder for {output.value}")
        return
    if place.is_dir():
        raise OutputError(f"{place} is a folder: give a file name that ends in {suffix}")
    if not output.kind.shows_frames:  # videos were checked
        check_suffix(place, suffix)
