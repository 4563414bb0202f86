import sys
from dataclasses import dataclass

import pytest

from persam_video.cli import main as program
from persam_video.synthetic import demo


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str


@pytest.fixture
def run(capsys, monkeypatch):
    """Run the program in this process and give its exit status and what it printed."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["persam-video", *map(str, arguments)])
        try:
            program.run()
            status = 0
        except SystemExit as error:
            status = error.code or 0
        printed = capsys.readouterr()
        return Ran(status, printed.out, printed.err)

    return call


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    from dataclasses import replace

    return replace(demo(), length=8).write(tmp_path_factory.mktemp("clip"))
