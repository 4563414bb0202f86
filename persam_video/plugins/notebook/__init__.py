"""A widget for notebooks: click an object, track it, and take its masks on."""

from persam_video.plugins.notebook.widget import VideoWidget

__all__ = ["VideoWidget"]
