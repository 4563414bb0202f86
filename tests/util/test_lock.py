import subprocess
import sys

import pytest

from persam_video.errors import OutputError
from persam_video.util.lock import exclusive_folder, hold_file

# hold_file is what Windows takes; it works everywhere
WAYS = (exclusive_folder, hold_file)

HOLD = """
import sys
from pathlib import Path
from persam_video.util import lock
with getattr(lock, sys.argv[1])(Path(sys.argv[2])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("hold", WAYS)
def test_a_second_writer_is_refused_at_once_and_let_in_later(tmp_path, hold):
    with hold(tmp_path):
        with pytest.raises(OutputError, match="another run is writing here"), hold(tmp_path):
            pass
        with pytest.raises(OutputError, match="another run"), hold(tmp_path):
            pass  # the first refusal took nothing from the holder
    with hold(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("hold", WAYS)
def test_another_process_is_refused_until_the_holder_is_killed(tmp_path, hold):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, hold.__name__, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(OutputError, match="another run is writing here"), hold(tmp_path):
        pass
    holder.kill()
    holder.communicate()
    with hold(tmp_path):
        pass


def test_the_folder_is_made_and_a_file_in_its_place_is_told(tmp_path):
    with exclusive_folder(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError), exclusive_folder(tmp_path / "file"):
        pass
