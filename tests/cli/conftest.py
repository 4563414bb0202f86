import socket

import pytest

from persam_video.synthetic import demo


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    from dataclasses import replace

    return replace(demo(), length=8).write(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def taken():
    """A port on which nothing can be served, so that what fails to fail does not go on for ever."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


@pytest.fixture
def fails(run, taken):
    """Run a command that serves and return the line that it fails with."""

    def call(*arguments):
        ran = run(*arguments, "--port", taken)
        assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1)
        return ran.err

    return call
