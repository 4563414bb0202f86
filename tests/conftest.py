import importlib.util
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


@pytest.fixture
def nano_sam(shared_data: Path):
    """Give the nano SAM of the parity data; its ``calls`` are (embedding, prompts, answer)."""
    from persam_video.sam.model import SamModel

    file = Path(__file__).parents[1] / "eval" / "nano_sam.py"
    spec = importlib.util.spec_from_file_location("nano_sam", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    class RecordingSam(SamModel):
        def decode(self, embedding, prompts):
            answer = super().decode(embedding, prompts)
            self.calls.append((embedding, prompts, answer))
            return answer

    model = module.load_nano_sam(shared_data / "parity", RecordingSam)
    model.calls = []
    return model
