import numpy as np
import pytest

from persam_video.errors import AnnotationError
from persam_video.masks import Annotation
from persam_video.masks.names import with_ids_of


def marked(**names):
    """An annotation with ids 1, 2, … of these names; ``_1`` stands for none."""
    labels = np.zeros((1, len(names)), np.uint8)
    labels[0] = range(1, len(names) + 1)
    known = {i: name for i, name in enumerate(names, start=1) if not name.startswith("_")}
    return Annotation.from_labels(labels, names=known)


def test_objects_of_one_name_are_one_in_several_files():
    known = [marked(cat="", dog="")]
    (found,) = with_ids_of(known, [marked(dog="", bird="", cat="")])
    assert found.names == {2: "dog", 3: "bird", 1: "cat"}
    assert found.labels.tolist() == [[2, 3, 1]]
    (by_id,) = with_ids_of(known, [marked(_1="")])
    assert (by_id.object_ids, by_id.names) == ((1,), {})
    with pytest.raises(AnnotationError, match="which object of the other masks 'cat' is"):
        with_ids_of([marked(_1="")], [marked(cat="")])
    twice = Annotation.from_labels(np.array([[1, 2]]), names={1: "cat", 2: "cat"})
    with pytest.raises(AnnotationError, match="cannot tell"):
        with_ids_of(known, [twice])
