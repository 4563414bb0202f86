"""What Label Studio is answered: predictions for its tasks."""

import threading
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from persam_video.config import Settings
from persam_video.errors import AnnotationError
from persam_video.plugins.label_studio.interface import Medium, find_medium
from persam_video.plugins.label_studio.media import Media
from persam_video.plugins.label_studio.pictures import PictureAnswers
from persam_video.plugins.label_studio.tracks import TrackAnswers
from persam_video.studio.model import SharedModel

_TRACK = "videorectangle"


class Backend:
    """Answers one request after the other.

    Args:
        media: finds the files of tasks.
        folder: of the sessions of videos.
        settings: of the method.
        seconds: that a request may track; Label Studio waits for 100.
        model: a loaded model; loaded when it is first needed if not given.
    """

    def __init__(
        self,
        media: Media,
        folder: Path,
        settings: Settings,
        *,
        seconds: float = 60.0,
        model: SharedModel | None = None,
    ) -> None:
        self._media = media
        self._seconds = seconds
        self._model = model or SharedModel(settings)
        self._pictures = PictureAnswers()
        self._tracks = TrackAnswers(folder, settings, self._model)
        self._turn = threading.Lock()
        self.model_version = f"persam-video {version('persam-video')} {settings.model.name}"

    def warm_up(self) -> None:
        """Load the model in the background, so that the first click need not wait for it."""
        self._model.warm_up()

    def predict(self, request: Mapping[str, Any]) -> list[Any]:
        """Answer a request for predictions.

        With a context, it is somebody who waits for the answer to what was just drawn. Without,
        regions of a task's latest annotation are tracked on; tasks without one get no prediction.

        Args:
            request: as Label Studio sends it.

        Returns:
            A prediction for each task; an empty list stands for none.

        Raises:
            PersamVideoError: the request cannot be answered.
        """
        try:
            medium = find_medium(str(request["label_config"]))
            params = request.get("params") or {}
            context = params.get("context") or request.get("context") or {}
            drawn = context.get("result") or []
            tasks = request["tasks"]
            named = [
                (f"{request.get('project')}/{task['id']}", task["data"], task) for task in tasks
            ]
        except (LookupError, TypeError, AttributeError) as error:
            raise AnnotationError(f"the request cannot be read: {error!r}") from error
        until = time.monotonic() + self._seconds
        answers: list[Any] = []
        with self._turn:
            for name, data, task in named:
                regions = drawn or (_annotated(task) if medium.has_tracks else [])
                result = self._answer(medium, name, data, regions, until) if regions else []
                answers.append({"result": result, "model_version": self.model_version})
        if drawn:
            return answers
        return [answer if answer["result"] else [] for answer in answers]

    def _answer(
        self,
        medium: Medium,
        task: str,
        data: Mapping[str, Any],
        drawn: Sequence[Mapping[str, Any]],
        until: float,
    ) -> list[dict[str, Any]]:
        path = self._media.find(data.get(medium.key))
        if not medium.has_tracks:
            with self._model.turn() as model:
                return self._pictures.answer(model, path, medium, drawn)
        regions = [region for region in drawn if region.get("type") == _TRACK]
        return [self._tracks.answer(path, task, region, until) for region in regions]


def _annotated(task: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the results of a task's latest annotation that was not skipped."""
    kept = [a for a in task.get("annotations") or [] if not a.get("was_cancelled")]
    return list(kept[-1].get("result") or []) if kept else []
