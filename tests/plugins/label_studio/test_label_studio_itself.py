"""Label Studio's own server and client with the backend.

They want other versions of what is needed here: ``PERSAM_VIDEO_LABEL_STUDIO`` names the interpreter
of an environment that has label-studio.
"""

import json
import os
import shutil
import subprocess
import threading
import time
from pathlib import Path
from urllib.request import urlopen

import pytest

pytest.importorskip("uvicorn", reason="no uvicorn (the extra 'studio')")
import uvicorn

from persam_video.plugins.label_studio.backend import Backend
from persam_video.plugins.label_studio.media import Media
from persam_video.plugins.label_studio.server import USER, make_app
from tests.plugins.label_studio.test_server import LENGTH, PICTURE, VIDEO, point, region
from tests.studio.conftest import SIZE
from tests.studio.page.browser import free_port

TOKEN = "0123456789abcdef0123456789abcdef01234567"
PASSWORD = "abcdefghijklmnop"
CLIENT = """
import json, sys
import requests
from label_studio_sdk.client import LabelStudio
from label_studio_sdk.converter.brush import decode_rle
from label_studio_sdk.label_interface import LabelInterface

told = json.load(sys.stdin)
studio = LabelStudio(base_url=told["server"], api_key=told["token"])
answers = []
for config, name, drawn in told["projects"]:
    project = studio.projects.create(title="squares", label_config=config)
    studio.import_storage.local.create(
        project=project.id, path=told["folder"], use_blob_urls=True
    )
    backend = studio.ml.create(
        project=project.id, url=told["backend"], is_interactive=True, title="persam-video",
        auth_method="BASIC_AUTH", basic_auth_user=told["user"], basic_auth_pass=told["password"],
    )
    key = "image" if name.endswith(".png") else "video"
    task = studio.tasks.create(
        project=project.id, data={key: "/data/local-files/?d=set/" + name}
    )
    context = {"result": [drawn]}
    # as the page does; the client gives no answer
    answer = requests.post(
        f"{told['server']}/api/ml/{backend.id}/interactive-annotating",
        json={"task": task.id, "context": context},
        headers={"Authorization": f"Token {told['token']}"},
    )
    (found,) = answer.json()["data"]["result"]
    assert LabelInterface(config).validate_region(found), found
    if "rle" in found["value"]:
        found["value"]["rle"] = decode_rle(found["value"]["rle"]).tolist()
    answers.append(found)
print(json.dumps(answers))
"""


@pytest.fixture
def label_studio(root, tmp_path):
    """Give the interpreter and the address of a Label Studio that serves the root."""
    python = os.environ.get("PERSAM_VIDEO_LABEL_STUDIO")
    if python is None:
        pytest.skip("PERSAM_VIDEO_LABEL_STUDIO names no interpreter with label-studio")
    media = tmp_path / "media"
    shutil.copytree(root, media / "set")
    port = free_port()
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {
        "LABEL_STUDIO_BASE_DATA_DIR": str(tmp_path / "data"),
        "LOCAL_FILES_SERVING_ENABLED": "true",
        "LOCAL_FILES_DOCUMENT_ROOT": str(media),
        "LABEL_STUDIO_USERNAME": "me@example.com",
        "LABEL_STUDIO_PASSWORD": "a-password-1",
        "LABEL_STUDIO_USER_TOKEN": TOKEN,
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "COLLECT_ANALYTICS": "false",
        "ML_BLOCK_LOCAL_IP": "false",
        "SSRF_PROTECTION_ENABLED": "false",
    }
    program = Path(python).with_name("label-studio")
    words = ["start", "--no-browser", "--port", str(port), "--internal-host", "127.0.0.1"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [python, program, *words], env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield python, wait_for(f"http://127.0.0.1:{port}", process), media
        finally:
            process.terminate()
            process.wait()


def wait_for(address, process):
    for _ in range(600):
        assert process.poll() is None, "Label Studio has ended"
        try:
            urlopen(f"{address}/api/version", timeout=5).close()
        except OSError:
            time.sleep(1)
        else:
            return address
    raise AssertionError("Label Studio does not begin")


@pytest.fixture
def backend(label_studio, tmp_path, settings, shared):
    """Give the address of a backend that is being served."""
    _, server, media = label_studio
    found = Media(media, tmp_path / "files", server, None, 2**20)
    made = Backend(found, tmp_path / "sessions", settings, model=shared)
    port = free_port()
    config = uvicorn.Config(make_app(made, PASSWORD), port=port, log_level="warning")
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run)
    thread.start()
    yield f"http://127.0.0.1:{port}"
    running.should_exit = True
    thread.join()


def test_its_server_and_client_take_what_they_get(label_studio, backend, boxes):
    python, server, media = label_studio
    x0, y0, x1, y1 = boxes[0][1]
    click = point((x0 + x1) / 2, (y0 + y1) / 2, to_name="img")
    drawn = region({1: boxes[0][1]}) | {"to_name": "video"}
    told = {
        "server": server, "token": TOKEN, "backend": backend, "user": USER, "password": PASSWORD,
        "folder": str(media / "set"),
        "projects": [
            [PICTURE.format(tool="BrushLabels"), "photo.png", click],
            [PICTURE.format(tool="PolygonLabels"), "photo.png", click],
            [VIDEO, "clip.mp4", drawn],
        ],
    }  # fmt: skip
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [python, "-c", CLIENT],
        input=json.dumps(told),
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    brush, polygon, track = json.loads(done.stdout.splitlines()[-1])
    area = sum(brush["value"]["rle"][3::4]) / 255
    assert area == pytest.approx((x1 - x0) * (y1 - y0), rel=0.2)
    assert len(brush["value"]["rle"]) == 4 * SIZE[0] * SIZE[1]
    assert len(polygon["value"]["points"]) >= 4
    assert len(track["value"]["sequence"]) == LENGTH
