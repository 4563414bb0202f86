"""As much of CVAT's HTTP interface as its own client needs to work on one task of images."""

import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from PIL import Image

VERSION = "2.80.0"
DATE = "2026-01-01T00:00:00Z"
LABEL = {
    "id": 7, "name": "red", "color": "#ff0000", "attributes": [], "type": "any",
    "sublabels": [], "project_id": 0, "task_id": 1, "parent_id": 0, "has_parent": False,
}  # fmt: skip


@dataclass
class Task:
    """One task, the function that is registered for it, and what clients have sent.

    Attributes:
        images: its frames.
        requests: what an agent is asked for, in this order.
        function: what was registered.
        answers: of the agent.
        failures: that the agent has told.
        shapes: that were uploaded as annotations.
    """

    images: list[Path]
    requests: list[dict[str, Any]] = field(default_factory=list)
    function: dict[str, Any] = field(default_factory=dict)
    answers: list[dict[str, Any]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    shapes: list[dict[str, Any]] = field(default_factory=list)

    def get(self, path: str, query: dict[str, list[str]]) -> Any:
        """Answer a request for something."""
        if path == "/api/server/about":
            about = {"name": "CVAT", "description": "", "version": VERSION}
            return about | {"logo_url": "", "subtitle": ""}
        if path == "/api/functions/3":
            return {"id": 3, **self.function}
        if path == "/api/labels":
            return {"count": 1, "next": None, "previous": None, "results": [LABEL]}
        if path == "/api/tasks/1/data/meta":
            return self._meta()
        if path == "/api/tasks/1/data":
            number = int(query["number"][0])
            return self._chunk() if query["type"] == ["chunk"] else self.images[number].read_bytes()
        assert path == "/api/tasks/1", path
        return {
            "id": 1, "url": "", "name": "squares", "mode": "annotation", "status": "annotation",
            "size": len(self.images), "data_chunk_size": len(self.images), "dimension": "2d",
            "data_original_chunk_type": "imageset", "data_compressed_chunk_type": "imageset",
            "created_date": DATE, "updated_date": DATE, "overlap": 0, "segment_size": 0,
            "subset": "", "organization": None, "project_id": None, "bug_tracker": "",
            "labels": {"url": ""}, "jobs": {"url": "", "count": 1, "completed": 0, "validation": 0},
            "owner": None, "assignee": None, "data": 1, "image_quality": 70,
            "consensus_enabled": False, "validation_mode": None, "guide_id": None,
            "source_storage": None, "target_storage": None, "assignee_updated_date": None,
            "organization_id": None,
        }  # fmt: skip

    def post(self, path: str, data: dict[str, Any]) -> Any:
        """Take what a client sends."""
        if path == "/api/functions":
            self.function = data
            return {"id": 3, **data}
        if path.endswith("/requests/acquire"):
            if data["request_category"] != "interactive" or not self.requests:
                return {"ar_assignment": None}
            asked = self.requests.pop(0)
            if "states" in asked:
                asked = asked | {"states": self.answers[0]["states"]}
            return {"ar_assignment": {"ar_id": "a", "ar_params": {"task": 1, **asked}}}
        if path.endswith("/fail"):
            self.failures.append(data["exc_info"])
        elif path.endswith("/complete"):
            self.answers.append(data)
        else:
            assert path == "/api/tasks/1/annotations", path
            self.shapes += data["shapes"]
            return {"version": 0, "tags": [], "shapes": [], "tracks": []}
        return {}

    def _meta(self) -> dict[str, Any]:
        frames = []
        for path in self.images:
            width, height = Image.open(path).size
            frame = {"width": width, "height": height, "name": path.name, "related_files": 0}
            frames.append(frame | {"has_related_context": False})
        return {
            "chunk_size": len(frames), "size": len(frames), "image_quality": 70, "start_frame": 0,
            "stop_frame": len(frames) - 1, "frame_filter": "", "frames": frames,
            "deleted_frames": [], "included_frames": None, "storage": "local",
            "storage_method": "cache", "chunks_updated_date": DATE, "cloud_storage_id": None,
        }  # fmt: skip

    def _chunk(self) -> bytes:
        packed = BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for number, path in enumerate(self.images):
                archive.write(path, f"{number:06}.png")
        return packed.getvalue()


@contextmanager
def serving(task: Task) -> Iterator[str]:
    """Serve a task on a free port, and give the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            place = urlsplit(self.path)
            self._answer(task.get(place.path.rstrip("/"), parse_qs(place.query)))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(task.post(urlsplit(self.path).path.rstrip("/"), json.loads(body)))

        do_PATCH = do_POST  # noqa: N815

        def _answer(self, data: Any) -> None:
            is_file = isinstance(data, bytes)
            body = data if is_file else json.dumps(data).encode()
            self.send_response(200)
            kind = "application/octet-stream" if is_file else "application/vnd.cvat+json"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
