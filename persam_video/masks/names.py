"""Which objects of several annotations are the same, by their names."""

from collections.abc import Collection, Iterable

import numpy as np

from persam_video.errors import AnnotationError
from persam_video.masks.annotation import Annotation
from persam_video.masks.labels import MAX_OBJECT_ID


def with_ids_of(known: Iterable[Annotation], others: Collection[Annotation]) -> list[Annotation]:
    """Return annotations whose objects have the ids of known objects with the same name.

    Each file numbers its named objects separately; objects without a name are identified by id.

    Args:
        known: annotations of the known objects.
        others: annotations from another file.

    Raises:
        AnnotationError: the objects cannot be matched without ambiguity.
    """
    before, now = _names(known), _names(others)
    by_name = {name: i for i, name in before.items() if name is not None}
    ids = {i: i for i, name in now.items() if name is None}
    new = []
    for i, name in now.items():
        if name is None:
            continue
        again = max(list(names.values()).count(name) for names in (before, now)) > 1
        if (name in by_name and again) or (i in before and before[i] is None):
            raise AnnotationError(
                f"cannot tell which object of the other masks {name!r} is; give every object its "
                "own name in all files, or use ids in all"
            )
        if name in by_name:
            ids[i] = by_name[name]
        else:
            new.append(i)
    taken = {*before, *ids.values()}
    for i in new:
        free = [j for j in (i, *range(1, MAX_OBJECT_ID + 1)) if j not in taken]
        if not free:
            raise AnnotationError(f"more than {MAX_OBJECT_ID} objects cannot be tracked")
        ids[i] = free[0]
        taken.add(free[0])
    if all(old == i for old, i in ids.items()):
        return list(others)
    table = np.arange(256, dtype=np.uint8)
    table[list(ids)] = list(ids.values())
    return [
        Annotation.from_labels(
            table[annotation.labels], names={ids[i]: name for i, name in annotation.names.items()}
        )
        for annotation in others
    ]


def _names(annotations: Iterable[Annotation]) -> dict[int, str | None]:
    """Return the names of all objects by id, ``None`` for objects without a name."""
    return {i: annotation.names.get(i) for annotation in annotations for i in annotation.object_ids}
