"""Decoding video files with decord, through its maintained drop-in decord2.

decord is fast, but reads ahead without bound (dmlc/decord#157), finds frames by seeking to the
nearest keyframe, and puts a neighbour in place of a frame that it cannot decode. So it is used
here for files in which those seeks are known to be exact, in small batches, and with its
substitutions turned into errors. Rates, times and rotation come from PyAV. Its colours are up to 3
levels darker, as FFmpeg's fastest conversion rounds down.
"""

import ctypes
import re
from collections.abc import Generator
from types import ModuleType
from typing import Any

from persam_video.errors import SourceError
from persam_video.video.decord_index import USE_PYAV, DecordIndex
from persam_video.video.frame import Frame
from persam_video.video.pyav_decoder import PyAVDecoder
from persam_video.video.selection import Selection
from persam_video.video.source import Location, SourceKind
from persam_video.video.timing import FrameClock

_BATCH_BYTES = 32 * 2**20  # larger batches are slower, too
_BATCH_FRAMES = 64

# decord's messages begin with the time and its own source file and line.
_CODE_PLACE = re.compile(r"^(\[[\d:]+\] \S+:\d+: ?)+")


class DecordDecoder:
    """A video file decoded by decord; frames are the same as ``PyAVDecoder``'s."""

    def __init__(self, location: Location) -> None:
        """Open a file and check that decord reads it faithfully.

        Raises:
            SourceError: decord is not installed, the file cannot be opened, or decord would read
                it wrongly.
        """
        self._name = location.name
        self.warnings: list[str] = []
        if location.kind is not SourceKind.FILE:
            raise SourceError(f"{self._name}: decord reads files only; {USE_PYAV}")
        decord = _import_decord()
        probe = PyAVDecoder(location)
        probe.close()
        self.info = probe.info
        self._timing = probe.timing
        if probe.transfer is not None:
            raise SourceError(f"{self._name}: decord does not map high dynamic range; {USE_PYAV}")
        if probe.guesses_colours:
            problem = "has no colour tags, and decord takes large video for BT.601"
            raise SourceError(f"{self._name}: {problem}; {USE_PYAV}")
        if probe.orientation.mirrors:
            raise SourceError(f"{self._name}: decord does not mirror video; {USE_PYAV}")
        self._index = DecordIndex.of(location)
        try:
            self._reader: Any = decord.VideoReader(
                location.address,
                num_threads=1,
                fault_tol=1e-9,  # fails at the first frame that it would fill with another
            )
        except Exception as error:  # decord raises its own and the built-in kinds
            raise self._failure("cannot open it", error) from error
        count = len(self._index.timestamps)
        if len(self._reader) != count:
            raise SourceError(
                f"{self._name}: decord counts {len(self._reader)} frames instead of {count}; "
                f"{USE_PYAV}"
            )

    def frames(self, selection: Selection) -> Generator[Frame, None, None]:
        """Decode the selected frames, in order; may be called once.

        Raises:
            SourceError: decord cannot decode a frame.
        """
        clock = FrameClock(self._index.time_base, self.info.fps)
        times = [clock.time_of(timestamp) for timestamp in self._index.timestamps]
        wanted = selection.within(len(times))
        frame_bytes = 3 * self.info.width * self.info.height
        batch = max(1, min(_BATCH_FRAMES, _BATCH_BYTES // frame_bytes))
        for begin in range(0, len(wanted), batch):
            indices = wanted[begin : begin + batch]
            try:
                pictures = self._reader.get_batch(list(indices)).asnumpy()
                # Seeking drops what the decoding thread has read ahead, and stops it.
                self._reader.seek(0)
            except Exception as error:  # decord raises its own and the built-in kinds
                raise self._failure(f"stopped near frame {indices[0]}", error) from error
            if pictures.shape[1:3] != (self.info.height, self.info.width):
                raise SourceError(f"{self._name}: decord gives frames of another size; {USE_PYAV}")
            for index, rgb in zip(indices, pictures, strict=True):
                # A copy, so that keeping one frame does not keep its whole batch in memory.
                yield Frame(index, rgb.copy(), times[index])
        end = times[-1] + self._index.last_duration
        shortfall = self._timing.shortfall(len(times), 0, end)
        if shortfall and (selection.stop is None or selection.stop > len(times)):
            self.warnings.append(f"{self._name}: {shortfall}")

    def close(self) -> None:
        """Release the source; a second call does nothing."""
        self._reader = None

    def _failure(self, what: str, error: Exception) -> SourceError:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        words = _CODE_PLACE.sub("", lines[0])
        return SourceError(f"{self._name}: decord {what} ({words}); {USE_PYAV}")


def _import_decord() -> ModuleType:
    # decord's native library crashes when torch is loaded after it (dmlc/decord#293).
    import torch  # noqa: F401, PLC0415

    # decord would make its own copy of FFmpeg visible to the whole process, and PyAV, which has
    # another, would call into it and crash.
    visible_to_all = ctypes.RTLD_GLOBAL
    ctypes.RTLD_GLOBAL = ctypes.RTLD_LOCAL  # type: ignore[misc]
    try:
        import decord  # noqa: PLC0415
    except (ImportError, OSError) as error:
        raise SourceError(
            "the decord decoder is not installed; run: pip install 'persam-video[decord]'"
        ) from error
    finally:
        ctypes.RTLD_GLOBAL = visible_to_all  # type: ignore[misc]
    decord.logging.set_level(decord.logging.QUIET)
    module: ModuleType = decord
    return module
