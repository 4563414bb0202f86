import hashlib
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from persam_video.cli.main import app
from persam_video.errors import ModelError
from persam_video.sam.registry import MODELS

CONTENT = bytes(range(256)) * 1000


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Point the cache to an empty folder."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path / "hub" / "checkpoints"


@pytest.fixture
def published(monkeypatch):
    """Pretend that the published file is a small one."""
    spec = MODELS["vit_b"]
    digest = hashlib.sha256(CONTENT).hexdigest()
    weights = replace(spec.weights, size=len(CONTENT), sha256=digest)
    monkeypatch.setitem(MODELS, "vit_b", replace(spec, weights=weights))


def run(*arguments):
    return CliRunner().invoke(app, ["models", *arguments], catch_exceptions=False)


def test_the_list_tells_what_there_is_and_where(cache):
    cache.mkdir(parents=True)
    (cache / "mobile_sam.pt").write_bytes(b"")
    lines = run().stdout.splitlines()
    rows = {line.split()[0]: line for line in lines[2:-1]}  # below the title and the headings
    assert list(rows) == list(MODELS)
    assert rows["vit_t"].endswith(str(cache / "mobile_sam.pt"))
    assert rows["lite"].endswith("lite.safetensors")
    assert rows["vit_h"].split()[1:3] == ["2565", "1024"]
    assert rows["vit_h"].endswith(" no")
    assert str(cache) in lines[-1]


def test_download_puts_the_file_where_load_sam_looks(cache, published, file_server):
    server = file_server(CONTENT, {"cut": 1000}, {})
    result = run("download", "vit_b", "--url", server.url)
    file = cache / "sam_vit_b_01ec64.pth"
    assert result.exit_code == 0
    assert result.stdout.strip() == str(file)
    assert file.read_bytes() == CONTENT
    assert run("download", "vit_b", "--quiet", "--url", server.url).stdout == ""
    assert len(server.ranges) == 2


def test_for_weights_of_the_hub_its_own_command_is_named():
    with pytest.raises(ModelError, match=r"hf download facebook/sam2\.1-hiera-tiny"):
        run("download", "sam2.1-tiny")


def test_a_wrong_file_is_refused(cache, file_server):
    with pytest.raises(ModelError, match="is another file"):
        run("download", "vit_t", "--url", file_server(CONTENT).url)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "message"), [("vit_x", "unknown model"), ("lite", "ships with the package")]
)
def test_what_cannot_be_downloaded_is_said(cache, name, message):
    with pytest.raises(ModelError, match=message):
        run("download", name)
    assert not cache.exists()
