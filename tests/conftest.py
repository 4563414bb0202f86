import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Give the folder of development data, which the repository does not hold."""
    named = os.environ.get("PERSAM_VIDEO_DATA")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no development data at {folder} (set PERSAM_VIDEO_DATA)")
    return folder
