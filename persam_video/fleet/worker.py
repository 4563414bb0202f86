"""What a worker of a fleet is, and whether two of them make the same masks."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from persam_video.config import Settings
from persam_video.sam.model import ModelInfo
from persam_video.util.json import to_json
from persam_video.util.nested import flatten
from persam_video.util.run_record import installed_versions
from persam_video.util.workers import Tell

_TaskT_contra = TypeVar("_TaskT_contra", contravariant=True)
_EventT_co = TypeVar("_EventT_co", covariant=True)
_ResultT_co = TypeVar("_ResultT_co", covariant=True)


@dataclass(frozen=True)
class WorkerFacts:
    """What the masks of a worker depend on.

    Attributes:
        model: its model.
        settings: SHA-256 of the settings that it was given, as it understands them.
        versions: versions of Python and of the packages that results depend on.
    """

    model: ModelInfo
    settings: str
    versions: Mapping[str, str]


class FleetHandler(Protocol[_TaskT_contra, _EventT_co, _ResultT_co]):
    """Does tasks in a worker of a fleet."""

    @property
    def facts(self) -> WorkerFacts:
        """What its results depend on."""
        ...

    def __call__(self, task: _TaskT_contra, tell: Tell[_EventT_co], /) -> _ResultT_co:
        """Do a task; see ``persam_video.util.workers.Handler``.

        Raises:
            NodeError: this machine cannot do it.
            PersamVideoError: no machine can do any.
        """
        ...

    def close(self) -> None:
        """Remove what the worker needed for itself."""
        ...


def worker_facts(settings: Settings, model: ModelInfo) -> WorkerFacts:
    """Return what the masks of this process depend on."""
    return WorkerFacts(model, digest(settings.model_dump(mode="json")), installed_versions())


def digest(value: object) -> str:
    """Return the SHA-256, in hexadecimal, of a value as JSON."""
    text = json.dumps(to_json(value), sort_keys=True)
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()


def facts_difference(first: WorkerFacts, other: WorkerFacts) -> str | None:
    """Describe in what a worker differs from the first one, or return ``None``."""
    one, two = (_comparable(facts) for facts in (first, other))
    return version_difference(one, two)


def version_difference(wanted: Mapping[str, str], found: Mapping[str, str]) -> str | None:
    """Describe in what versions, or other facts by name, differ, or return ``None``."""
    for name in [*wanted, *(name for name in found if name not in wanted)]:
        if wanted.get(name) != found.get(name):
            return (
                f"{name} is {found.get(name, 'missing')} there, {wanted.get(name, 'missing')} here"
            )
    return None


def _comparable(facts: WorkerFacts) -> dict[str, str]:
    flat = {key: str(value) for key, value in flatten(to_json(facts)).items()}
    # two GPUs of one machine are the same device
    flat["model.device"] = facts.model.device.partition(":")[0]
    return flat
