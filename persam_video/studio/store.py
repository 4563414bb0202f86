"""The folder of a session: what ``track`` leaves, and what only a session needs beside it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from persam_video.drawing.colours import overlay_colour
from persam_video.errors import DatasetError
from persam_video.studio.gestures import History, gestures_json, read_gestures
from persam_video.util.atomic import write_bytes

_VERSION = 2


@dataclass(frozen=True)
class SessionPaths:
    """Where a session keeps what a run does not.

    Attributes:
        folder: of the session; ``persam_video.run.OutputPaths`` says what else it holds.
    """

    folder: Path

    @property
    def session(self) -> Path:
        """Source, settings, objects and gestures."""
        return self.folder / "session.json"

    @property
    def journal(self) -> Path:
        """What tracking found; see ``persam_video.studio.results``."""
        return self.folder / "results.jsonl"

    @property
    def states(self) -> Path:
        """The tracker's state at some frames, to track on from there."""
        return self.folder / "states"

    @property
    def annotations(self) -> Path:
        """What was marked by hand, an indexed PNG for each annotated frame."""
        return self.folder / "annotations"

    @property
    def exports(self) -> Path:
        """Outputs that were asked for."""
        return self.folder / "exports"

    @property
    def is_session(self) -> bool:
        """Whether the folder holds a session."""
        return self.session.is_file()


@dataclass
class StudioObject:
    """An object as it is shown.

    Attributes:
        id: the label, 1 to 254.
        name: for people.
        colour: ``#rrggbb``.
        visible: whether its mask is shown.
    """

    id: int
    name: str
    colour: str
    visible: bool = True

    @property
    def is_named(self) -> bool:
        """Whether the object has a name of its own, and is not called after its id."""
        return self.name != StudioObject.new(self.id).name

    @property
    def has_own_colour(self) -> bool:
        """Whether the object has another colour than that of its id."""
        return self.colour != StudioObject.new(self.id).colour

    @classmethod
    def new(cls, object_id: int, name: str | None = None) -> "StudioObject":
        """Return an object in the colour of its id, called after it where it has no name."""
        red, green, blue = overlay_colour(object_id)
        return cls(object_id, name or f"object {object_id}", f"#{red:02x}{green:02x}{blue:02x}")


@dataclass(frozen=True)
class RunMark:
    """What the run in the folder shows of the session.

    Attributes:
        sha256: of the ``run.json`` that the session wrote or took in, and of the one that it is
            about to write; any other is someone else's.
        moment: when it was written; see ``ResultJournal.end``.
        changed: frames in which something was marked since; ``None`` for any frame.
    """

    sha256: tuple[str, ...] = ()
    moment: int = 0
    changed: set[int] | None = field(default_factory=set)


@dataclass
class SessionDocument:
    """What ``session.json`` holds.

    Attributes:
        source: absolute path, or glob, of the source.
        width: of its frames.
        height: of its frames.
        settings: of the tracker, in the types of JSON.
        objects: in order of id, those that were deleted included.
        history: gestures.
        accepted: frames that need no second look.
        valid: so many frames from the first one on are what tracking forwards gives with the
            gestures as they are.
        revision: rises with every change.
        moment: when it was written; see ``ResultJournal.end``.
        run: what the folder's run shows of it.
    """

    source: str
    width: int
    height: int
    settings: dict[str, Any]
    objects: list[StudioObject] = field(default_factory=list)
    history: History = field(default_factory=History)
    accepted: list[int] = field(default_factory=list)
    valid: int = 0
    revision: int = 0
    moment: int = 0
    run: RunMark = field(default_factory=RunMark)

    def add_object(self, added: StudioObject) -> None:
        """Add an object in its place."""
        self.objects = sorted([*self.objects, added], key=lambda shown: shown.id)

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all.

        Raises:
            OutputError: it cannot be written.
        """
        data = {
            "version": _VERSION,
            "source": self.source,
            "width": self.width,
            "height": self.height,
            "settings": self.settings,
            "objects": [asdict(shown) for shown in self.objects],
            "gestures": gestures_json(self.history.done),
            "undone": gestures_json(self.history.undone),
            "accepted": self.accepted,
            "valid": self.valid,
            "revision": self.revision,
            "moment": self.moment,
            "run": {
                "sha256": list(self.run.sha256),
                "moment": self.run.moment,
                "changed": None if self.run.changed is None else sorted(self.run.changed),
            },
        }
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        write_bytes(path, text.encode(errors="backslashreplace"))

    @classmethod
    def read(cls, path: Path) -> "SessionDocument":
        """Read the file.

        Raises:
            DatasetError: it cannot be read, or is not a session of this version.
        """
        try:
            data = json.loads(path.read_bytes())
            if data["version"] != _VERSION:
                raise ValueError(f"it is of version {data['version']}")
            size = int(data["height"]), int(data["width"])
            return cls(
                source=str(data["source"]),
                width=size[1],
                height=size[0],
                settings=dict(data["settings"]),
                objects=[_object(shown) for shown in data["objects"]],
                history=History(
                    list(read_gestures(data["gestures"], size)),
                    list(read_gestures(data["undone"], size)),
                ),
                accepted=[int(frame) for frame in data["accepted"]],
                valid=int(data["valid"]),
                revision=int(data["revision"]),
                moment=int(data["moment"]),
                run=_run(data["run"]),
            )
        except OSError as error:
            raise DatasetError(
                f"{path}: cannot be read ({error.strerror or error}); check the path"
            ) from error
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise DatasetError(
                f"{path}: is not a session of the studio ({error}); give another folder"
            ) from error


def _run(data: Mapping[str, Any]) -> RunMark:
    changed = data["changed"]
    return RunMark(
        tuple(str(digest) for digest in data["sha256"]),
        int(data["moment"]),
        None if changed is None else {int(frame) for frame in changed},
    )


def _object(data: Mapping[str, Any]) -> StudioObject:
    return StudioObject(
        int(data["id"]), str(data["name"]), str(data["colour"]), bool(data["visible"])
    )
