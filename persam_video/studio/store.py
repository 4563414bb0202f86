"""The folder of a session: the files of ``track``, and those that only a session needs."""

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
    """Files of a session beyond those of a run.

    Attributes:
        folder: folder of the session; see ``persam_video.run.OutputPaths`` for its other files.
    """

    folder: Path

    @property
    def session(self) -> Path:
        """Source, settings, objects and gestures."""
        return self.folder / "session.json"

    @property
    def journal(self) -> Path:
        """Results of tracking; see ``persam_video.studio.results``."""
        return self.folder / "results.jsonl"

    @property
    def states(self) -> Path:
        """The tracker's state at some frames, to continue from there."""
        return self.folder / "states"

    @property
    def annotations(self) -> Path:
        """The marks, as an indexed PNG for each annotated frame."""
        return self.folder / "annotations"

    @property
    def exports(self) -> Path:
        """Exported outputs."""
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
        """Whether the object has a name other than the default one after its id."""
        return self.name != StudioObject.new(self.id).name

    @property
    def has_own_colour(self) -> bool:
        """Whether the object has another colour than that of its id."""
        return self.colour != StudioObject.new(self.id).colour

    @classmethod
    def new(cls, object_id: int, name: str | None = None) -> "StudioObject":
        """Return an object in the colour of its id, and named after the id by default."""
        red, green, blue = overlay_colour(object_id)
        return cls(object_id, name or f"object {object_id}", f"#{red:02x}{green:02x}{blue:02x}")


@dataclass(frozen=True)
class RunMark:
    """How far the run in the folder is up to date with the session.

    Attributes:
        sha256: hashes of the ``run.json`` that the session wrote or imported, and of the one that
            it is about to write; any other was written by another program.
        moment: when it was written; see ``ResultJournal.end``.
        changed: frames marked since; ``None`` if any may be.
    """

    sha256: tuple[str, ...] = ()
    moment: int = 0
    changed: set[int] | None = field(default_factory=set)


@dataclass
class SessionDocument:
    """Contents of ``session.json``.

    Attributes:
        source: absolute path, or glob, of the source.
        width: of its frames.
        height: of its frames.
        settings: settings of the tracker, as JSON types.
        objects: objects in order of id, including deleted ones.
        history: gestures.
        accepted: frames that the user has accepted in review.
        valid: number of leading frames that are as tracking forwards gives them with these
            gestures.
        revision: increases with every change.
        moment: when it was written; see ``ResultJournal.end``.
        run: how far the folder's run is up to date.
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
        """Insert an object in order of id."""
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
                raise ValueError(f"its version is {data['version']}")
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
