import pytest

from persam_video.synthetic import demo


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    from dataclasses import replace

    return replace(demo(), length=8).write(tmp_path_factory.mktemp("clip"))
