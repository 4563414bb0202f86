"""Opening pages that a command serves."""

import webbrowser
from threading import Timer
from typing import Annotated

from persam_video.cli.options import run_option

_PAUSE = 0.5  # seconds, in which a server is ready

BrowserOption = Annotated[
    bool, run_option("--browser/--no-browser", help="Open the page in the browser.")
]


def open_soon(address: str) -> None:
    """Open a page in the user's browser, without waiting for it."""
    timer = Timer(_PAUSE, webbrowser.open, [address])
    timer.daemon = True
    timer.start()
