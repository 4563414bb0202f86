"""Interactive tracking: sessions, independent of any user interface, and the web page on top."""

from typing import TYPE_CHECKING

from persam_video.util.lazy import lazy_names

if TYPE_CHECKING:
    from persam_video.studio.propagation import Propagation
    from persam_video.studio.session import InteractiveSession

__all__ = ["InteractiveSession", "Propagation"]

__getattr__ = lazy_names(
    __name__,
    {
        "persam_video.studio.propagation": ("Propagation",),
        "persam_video.studio.session": ("InteractiveSession",),
    },
)
