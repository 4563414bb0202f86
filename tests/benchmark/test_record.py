import json
from dataclasses import asdict

import pytest

from persam_video.benchmark.record import BenchmarkRecord, SequenceRecord, read_record
from persam_video.errors import DatasetError
from persam_video.sinks import ModelRecord, write_run

DOG = SequenceRecord(3, 40, 24, 1.5, "cd" * 32)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.json"


def test_a_record_comes_back_and_is_added_up(path):
    record = BenchmarkRecord(ModelRecord("lite", "ab" * 32), {}, {}, sequences={"dog": DOG})
    write_run(path, record)
    read = read_record(path)
    assert read.sequences == {"dog": DOG}
    assert (read.frames_done, read.timings) == (3, {"track": 1.5})


@pytest.mark.parametrize(
    "change",
    [
        {"frames": 10**400},
        {"frames": -3},
        {"frames": "3"},
        {"seconds": 10**400},
        {"seconds": None},
        {"unknown": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_sequence_that_no_run_has_is_no_record(path, change):
    record = BenchmarkRecord(ModelRecord("lite", "ab" * 32), {}, {})
    data = {**asdict(record), "status": "finished", "sequences": {"dog": asdict(DOG) | change}}
    path.write_text(json.dumps(data))
    with pytest.raises(DatasetError, match="is not the record of a") as raised:
        read_record(path)
    assert "\n" not in str(raised.value)
