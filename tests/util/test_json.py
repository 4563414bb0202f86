import json
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np

from persam_video.util.json import plain


class Colour(str, Enum):
    RED = "red"


@dataclass(frozen=True)
class Pair:
    first: object
    second: object


def test_data_classes_are_objects_however_deep():
    value = Pair(Path("a"), [Pair(Colour.RED, np.float32(0.5)), (1, None, True)])
    found = json.loads(json.dumps(plain(value)))
    assert found == {"first": "a", "second": [{"first": "red", "second": 0.5}, [1, None, True]]}


def test_what_json_has_no_number_for_is_text_or_null():
    numbers = [float("nan"), np.float64("-inf"), 1.5]
    assert plain(numbers) == ["nan", "-inf", 1.5]
    assert plain(numbers, lambda number: None) == [None, None, 1.5]
