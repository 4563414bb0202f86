"""The record of a run in ``run.json``, and comparing two of them."""

import hashlib
from dataclasses import asdict
from typing import Any

import torch

from persam_video.run.session import Session
from persam_video.sinks import ModelRecord, RunRecord
from persam_video.util.json import to_json
from persam_video.util.nested import flatten

_SECTIONS = ("model", "settings", "source", "references", "names", "versions")
_FREE = ("source.name", "source.path")  # a source that was moved is the same source


def begin_record(run: Session) -> RunRecord:
    """Return the record of a run about to start, with everything that its masks depend on."""
    options, stream, model = run.options, run.stream, run.model.info
    path = stream.info.path
    frames = asdict(options.frames)
    frames["max_duration"] = frames.pop("duration")  # "duration" is that of the source
    return RunRecord(
        ModelRecord(model.name, model.sha256),
        settings=options.settings.model_dump(mode="json"),
        source={
            **asdict(stream.info),
            "bytes": path.stat().st_size if path is not None and path.is_file() else None,
            "first_frame": hashlib.sha256(run.first.rgb.tobytes()).hexdigest(),
            "decoder": options.decoder,
            **frames,
            "backward": options.backward,
            "photos": [
                hashlib.sha256(pixels.tobytes()).hexdigest()
                for photo in run.annotations.photos
                for pixels in (photo.rgb, photo.marked.labels)
            ],
            "min_score": options.min_score,
            "device": model.device,
            "precision": model.precision,
            "image_size": model.image_size,
            "threads": torch.get_num_threads(),
            "instructions": torch.backends.cpu.get_cpu_capability(),
        },
        references=run.annotations.hashes(),
        names={str(i): name for i, name in run.annotations.names.items()},
        timings=run.clock.seconds,  # the clock keeps filling it
    )


def first_difference(old: RunRecord, new: RunRecord) -> str | None:
    """Describe the first difference that may change masks, or return ``None``."""
    before, now = _facts(old), _facts(new)
    for key in [*now, *(key for key in before if key not in now)]:
        if before.get(key) != now.get(key):
            return f"{key} was {before.get(key, 'not there')}, now {now.get(key, 'not there')}"
    return None


def _facts(record: RunRecord) -> dict[str, Any]:
    data = to_json(record)
    facts = flatten({section: data[section] for section in _SECTIONS})
    return {key: value for key, value in facts.items() if key not in _FREE}
