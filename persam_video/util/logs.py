"""The log that ``--verbose`` shows on standard error."""

import logging
import sys

_PACKAGE = logging.getLogger("persam_video")


class _Handler(logging.Handler):
    """Writes to the current standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr, flush=True)


def show_log(wanted: bool) -> None:
    """Show or hide the package's log on standard error."""
    _PACKAGE.setLevel(logging.INFO if wanted else logging.NOTSET)
    _PACKAGE.handlers = [other for other in _PACKAGE.handlers if not isinstance(other, _Handler)]
    if wanted:
        handler = _Handler()
        handler.setFormatter(logging.Formatter("persam-video: %(message)s"))
        _PACKAGE.addHandler(handler)


def log_is_shown() -> bool:
    """Return whether ``show_log`` shows the log."""
    return any(isinstance(handler, _Handler) for handler in _PACKAGE.handlers)
