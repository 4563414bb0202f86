import io
import json
import shutil
import time
import zipfile
from fractions import Fraction

import numpy as np
import pytest
from starlette.testclient import TestClient

from persam_video.sinks.outputs import Output
from persam_video.studio.security import AllowedHosts, contained, kept_token
from persam_video.studio.server import make_app
from persam_video.studio.studio import Studio
from persam_video.video import VideoWriter

TOKEN = "abcdefghijklmnopqrstuvwxyz"
BASE = "http://127.0.0.1:8000"
CHANGE = {"X-Persam": "1", "Origin": BASE}

PATIENCE = 3000  # tenths of a second


@pytest.fixture
def studio(squares, tmp_path, settings, shared):
    opened = Studio(tmp_path / "out", settings, root=tmp_path, upload_limit=200_000, model=shared)
    yield opened
    opened.close()


@pytest.fixture
def client(studio):
    """Give a browser that has opened the address that the studio printed."""
    browser = TestClient(make_app(studio, TOKEN), base_url=BASE, raise_server_exceptions=False)
    answer = browser.get(f"/?token={TOKEN}", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    return browser


@pytest.fixture
def stranger(studio):
    return TestClient(make_app(studio, TOKEN), base_url=BASE, raise_server_exceptions=False)


def change(client, method, path, data=None):
    answer = client.request(method, path, json={} if data is None else data, headers=CHANGE)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def opened(client):
    """Give the address of an open session with two objects."""
    state = change(client, "POST", "/api/sessions", {"path": "frames"})
    path = f"/api/sessions/{state['id']}"
    change(client, "POST", f"{path}/objects", {"name": "red"})
    change(client, "POST", f"{path}/objects")
    return path


def finished(client, path):
    """Wait for the end of a session's job and return its report."""
    for _ in range(PATIENCE):
        job = client.get(path).json()["job"]
        if job["state"] not in ("queued", "running", "paused"):
            return job
        time.sleep(0.1)
    raise AssertionError("the job does not end")


def mask(found):
    """Return the pixels of run lengths."""
    height, width = found["rle"]["size"]
    counts = found["rle"]["counts"]
    assert sum(counts) == height * width
    bits = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return bits.reshape((height, width), order="F")


def test_from_a_click_to_a_download(client, opened, studio, squares):
    x, y = squares.centre(0, 1)
    click = {"frame": 0, "object": 1, "kind": "click", "x": x, "y": y, "positive": True}
    answer = change(client, "POST", f"{opened}/gestures", click)
    assert answer["state"]["annotated"] == [0]
    assert answer["masks"]["gestures"] == [
        {"object": 1, "kind": "click", "x": x, "y": y, "positive": True}
    ]
    box = {"frame": 0, "object": 2, "kind": "box", "box": squares.boxes[0][2]}
    change(client, "POST", f"{opened}/gestures", box)
    change(client, "POST", f"{opened}/track", {"start": 0, "stop": None})
    job = finished(client, opened)
    assert (job["state"], job["done"], job["total"]) == ("done", 12, 12)
    session = studio.get(opened.rpartition("/")[2]).session
    for index in (0, 5, 11):
        shown = client.get(f"{opened}/frames/{index}/masks").json()
        result = session.result(index)
        for found in shown["objects"]:
            assert np.array_equal(mask(found), result.labels == found["id"])
    timeline = client.get(f"{opened}/timeline").json()
    assert timeline["frames"] == list(range(12))
    assert len(timeline["objects"]["1"]["score"]) == 12
    change(client, "POST", f"{opened}/export", {"output": "coco"})
    assert finished(client, opened)["message"] == "coco.json"
    (file,) = client.get(f"{opened}/downloads").json()["files"]
    coco = client.get(f"{opened}/downloads/{file['name']}").json()
    assert len(coco["images"]) == 12
    change(client, "POST", f"{opened}/export", {"output": "masks"})
    assert finished(client, opened)["message"] == "masks.zip"
    with zipfile.ZipFile(io.BytesIO(client.get(f"{opened}/downloads/masks.zip").content)) as file:
        assert len(file.namelist()) == 12


def test_a_run_is_opened_and_corrected(client, opened, studio, squares, tmp_path):
    box = {"frame": 0, "object": 1, "kind": "box", "box": squares.boxes[0][1]}
    change(client, "POST", f"{opened}/gestures", box)
    change(client, "POST", f"{opened}/track", {"start": 0, "stop": 3})
    assert finished(client, opened)["state"] == "done"
    folder, run = studio.get(opened.rpartition("/")[2]).session.paths.folder, tmp_path / "run"
    shutil.copytree(folder, run, ignore=shutil.ignore_patterns("se*", "res*", "states", "ann*"))
    entries = client.get("/api/files").json()["entries"]
    assert {entry["name"]: entry["kind"] for entry in entries}["run"] == "session"
    state = change(client, "POST", "/api/sessions", {"path": "run"})
    assert [known["id"] for known in state["objects"]] == [1]
    assert (state["annotated"], state["tracked"]) == ([0], [[0, 3]])
    path = f"/api/sessions/{state['id']}"
    before = client.get(f"{path}/frames/2/masks?before=1").json()
    assert before["is_other"] is False
    assert before["objects"] == client.get(f"{opened}/frames/2/masks").json()["objects"]
    stroke = {"frame": 2, "object": 1, "kind": "stroke", "points": [[80, 50]], "radius": 5}
    change(client, "POST", f"{path}/gestures", stroke)
    after = client.get(f"{path}/frames/2/masks?before=1").json()
    assert after["is_other"] is True
    assert after["objects"] == before["objects"]


def test_pictures(client, opened):
    frame = client.get(f"{opened}/frames/3.jpg")
    assert frame.headers["content-type"] == "image/jpeg"
    again = client.get(f"{opened}/frames/3.jpg", headers={"If-None-Match": frame.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert len(client.get(f"{opened}/frames/3.jpg?w=32").content) < len(frame.content)
    assert client.get(f"{opened}/thumbs/11.jpg").status_code == 200
    assert "has no frame 12" in client.get(f"{opened}/frames/12.jpg").json()["error"]
    for output in Output:
        shown = client.get(f"{opened}/preview.jpg?frame=2&output={output.value}")
        assert shown.status_code == 200
    (overlay,) = [o for o in client.get("/api/outputs").json()["outputs"] if o["styles"]]
    for style in overlay["styles"]:
        for value in ("", *(f"={value}" for value in style["values"])):
            look = {"style": style["name"] + value, "only_visible": "1"}
            assert client.get(f"{opened}/preview.jpg", params=look).status_code == 200
    picture = client.get(f"{opened}/preview.jpg?style=background=/etc/passwd")
    assert "does not offer" in picture.json()["error"]


def test_an_export_shows_what_the_page_shows(client, opened):
    stroke = {"frame": 0, "kind": "stroke", "points": [[20, 20]], "radius": 8}
    change(client, "PATCH", f"{opened}/objects/2", {"name": "second"})
    change(client, "POST", f"{opened}/gestures", {**stroke, "object": 1})
    change(client, "POST", f"{opened}/gestures", {**stroke, "object": 2, "points": [[60, 40]]})
    change(client, "PATCH", f"{opened}/objects/1", {"visible": False})
    change(client, "PATCH", f"{opened}/objects/2", {"colour": "#102030"})
    plain = client.get(f"{opened}/preview.jpg").content
    assert client.get(f"{opened}/preview.jpg?only_visible=1").content != plain
    change(client, "PATCH", f"{opened}/objects/2", {"colour": "#f0e0d0"})
    assert client.get(f"{opened}/preview.jpg").content != plain
    change(client, "POST", f"{opened}/export", {"output": "coco", "only_visible": True})
    assert finished(client, opened)["warnings"] == []
    coco = client.get(f"{opened}/downloads/coco.json").json()
    assert [category["name"] for category in coco["categories"]] == ["second"]
    hidden = {"output": "overlay", "style": "anonymise=fill"}
    change(client, "POST", f"{opened}/export", hidden)
    assert finished(client, opened)["warnings"] == []


def test_pause_resume_and_cancel(client, opened, squares):
    box = {"frame": 0, "object": 1, "kind": "box", "box": squares.boxes[0][1]}
    change(client, "POST", f"{opened}/gestures", box)
    state = change(client, "POST", f"{opened}/track", {"start": 0})
    assert state["job"]["kind"] == "track"
    change(client, "POST", f"{opened}/job", {"action": "pause"})
    busy = client.post(f"{opened}/track", json={"start": 0}, headers=CHANGE)
    assert busy.status_code == 409
    for _ in range(PATIENCE):
        if client.get(opened).json()["job"]["state"] == "paused":
            break
        time.sleep(0.1)
    done = client.get(opened).json()["job"]["done"]
    assert done < 12
    # marks can be set meanwhile
    late = {"frame": 11, "object": 1, "kind": "box", "box": squares.boxes[11][1]}
    change(client, "POST", f"{opened}/gestures", late)
    change(client, "POST", f"{opened}/job", {"action": "cancel"})
    assert finished(client, opened)["state"] == "cancelled"
    tracked = client.get(opened).json()["tracked"]
    assert sum(last - first + 1 for first, last in tracked) == done


def test_two_sessions_wait_for_each_other(client, opened, squares, tmp_path):
    other_frames = tmp_path / "other"
    other_frames.mkdir()
    for path in squares.frames.iterdir():
        (other_frames / path.name).write_bytes(path.read_bytes())
    state = change(client, "POST", "/api/sessions", {"path": "other"})
    other = f"/api/sessions/{state['id']}"
    change(client, "POST", f"{other}/objects")
    box = {"frame": 0, "object": 1, "kind": "box", "box": squares.boxes[0][1]}
    for path in (opened, other):
        change(client, "POST", f"{path}/gestures", box)
    change(client, "POST", f"{opened}/track", {"start": 0})
    waiting = change(client, "POST", f"{other}/track", {"start": 0})
    assert waiting["job"]["state"] == "queued"
    assert finished(client, opened)["state"] == "done"
    assert finished(client, other)["state"] == "done"


def test_one_line_says_what_is_wrong(client, opened):
    wrong = [
        ({"frame": 0, "object": 9, "kind": "click", "x": 1, "y": 1}, "no object 9"),
        ({"frame": 0, "object": 1, "kind": "click", "x": 500, "y": 1}, "outside the frame"),
        ({"frame": 0, "object": 1, "kind": "click", "x": "nan", "y": 1}, "cannot be read"),
        ({"frame": 0, "object": 1, "kind": "jump"}, "is unknown"),
        ({"frame": 99, "object": 1, "kind": "clear"}, "has no frame 99"),
        ({"frame": -1, "object": 1, "kind": "clear"}, "not a whole number"),
        ({"frame": 0, "object": 1, "kind": "stroke", "points": [], "radius": 3}, "no points"),
    ]
    for data, reason in wrong:
        answer = client.post(f"{opened}/gestures", json=data, headers=CHANGE)
        assert 400 <= answer.status_code < 500
        assert reason in answer.json()["error"]
    nothing = client.post(f"{opened}/track", json={"start": 0}, headers=CHANGE)
    assert "click an object first" in nothing.json()["error"]
    assert client.get("/api/sessions/none").status_code == 404
    broken = client.post(f"{opened}/gestures", content=b"[1", headers=CHANGE)
    assert broken.status_code == 400
    large = client.post(f"{opened}/gestures", content=b" " * 3_000_000, headers=CHANGE)
    assert large.status_code == 413


def test_without_the_token_there_is_nothing(stranger):
    for path in ("/", "/api/studio", "/static/app.js", "/api/sessions/x/events", "/none"):
        assert stranger.get(path).status_code == 403
        assert stranger.get(path, params={"token": TOKEN[:-1]}).status_code == 403
        wrong = {"Authorization": f"Bearer {TOKEN}x"}
        assert stranger.get(path, headers=wrong).status_code == 403
    assert stranger.get("/api/studio", headers={"Cookie": "persam_token=x"}).status_code == 403
    right = {"Authorization": f"Bearer {TOKEN}"}
    assert stranger.get("/api/studio", headers=right).status_code == 200
    assert stranger.get(f"/api/studio?token={TOKEN}").status_code == 200


def test_other_names_of_the_machine_are_refused(client):
    for host in ("evil.example:8000", "127.0.0.1.evil.example", "10.0.0.1:8000", ""):
        answer = client.get(f"/api/studio?token={TOKEN}", headers={"Host": host})
        assert answer.status_code == 421
    local = client.get(f"/api/studio?token={TOKEN}", headers={"Host": "localhost:8000"})
    assert local.status_code == 200


def test_names_allowed_on_other_addresses():
    everywhere = AllowedHosts.of("0.0.0.0", ["box"])
    assert all(name in everywhere for name in ("10.0.0.1", "box", "localhost", "::1"))
    assert "evil.example" not in everywhere
    assert "10.0.0.1" not in AllowedHosts.of("127.0.0.1")


def test_other_pages_can_change_nothing(client, opened):
    attempts = [
        {"X-Persam": "1", "Origin": "http://evil.example"},
        {"X-Persam": "1", "Origin": "http://127.0.0.1:9000"},
        {"X-Persam": "1", "Origin": "null"},
        {"X-Persam": "1"},
        {"Origin": BASE},
        {},
    ]
    for headers in attempts:
        answer = client.post(f"{opened}/objects", json={}, headers=headers)
        assert answer.status_code == 403
    assert len(client.get(opened).json()["objects"]) == 2
    assert client.get(opened, headers={"Origin": "http://evil.example"}).status_code == 403


def test_what_every_answer_says_to_the_browser(client, stranger):
    for answer in (client.get("/api/studio"), client.get("/none"), stranger.get("/")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in client.get("/api/studio").headers


def test_the_page_has_no_inline_script(client):
    page = client.get("/")
    assert page.status_code == 200
    assert "onclick" not in page.text
    assert "<script>" not in page.text
    assert "//" not in page.text.replace("<!-- //", "").split("</head>")[0].replace("</", "")


def test_nothing_outside_the_root_is_shown_or_opened(client, tmp_path, squares):
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    for path in squares.frames.iterdir():
        (outside / path.name).write_bytes(path.read_bytes())
    (tmp_path / "link").symlink_to(outside, target_is_directory=True)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    names = [entry["name"] for entry in client.get("/api/files").json()["entries"]]
    assert "frames" in names
    assert not {"link", "loop"} & set(names)
    for path in ("..", f"../{outside.name}", "link", str(outside), "frames/../..", "loop", "a\0b"):
        assert client.get("/api/files", params={"path": path}).status_code == 404
        answer = client.post("/api/sessions", json={"path": path}, headers=CHANGE)
        assert answer.status_code == 404


def test_a_session_below_the_root_opens_no_video_outside(client, tmp_path, squares):
    outside = tmp_path.parent / f"{tmp_path.name}-video"
    squares.frames.rename(outside)
    trap, links = tmp_path / "trap", tmp_path / "links"
    trap.mkdir()
    links.mkdir()
    (links / "00000.png").symlink_to(outside / "00000.png")
    data = {"version": 2, "width": 96, "height": 64, "settings": {}}
    data |= {"objects": [], "gestures": [], "undone": [], "accepted": []}
    data |= {"valid": 0, "revision": 0, "moment": 0}
    data["run"] = {"sha256": [], "moment": 0, "changed": []}
    for source in (outside, links, links / "*.png", f"{links}/../trap/../../{outside.name}/*.png"):
        (trap / "session.json").write_text(json.dumps({**data, "source": str(source)}))
        answer = client.post("/api/sessions", json={"path": "trap"}, headers=CHANGE)
        assert answer.status_code == 404
        assert "leads out of the root" in answer.json()["error"]
    (trap / "session.json").unlink()
    run = {"source": {"width": 96, "height": 64, "path": str(outside)}, "settings": {}}
    run["model"] = {"name": "lite", "sha256": ""}
    (trap / "run.json").write_text(json.dumps({**run, "status": "finished"}))
    answer = client.post("/api/sessions", json={"path": "trap"}, headers=CHANGE)
    assert (answer.status_code, "leads out" in answer.json()["error"]) == (404, True)


def test_images_and_playlists_lead_nowhere_else(client, tmp_path, squares):
    secret = tmp_path.parent / f"{tmp_path.name}-secret.png"
    secret.write_bytes((squares.frames / "00000.png").read_bytes())
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    (mixed / "00000.png").symlink_to(secret)
    answer = client.post("/api/sessions", json={"path": "mixed"}, headers=CHANGE)
    assert (answer.status_code, "leads out" in answer.json()["error"]) == (404, True)
    playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/etc/hostname\n"
    (tmp_path / "list.mp4").write_bytes(playlist)
    answer = client.post("/api/sessions", json={"path": "list.mp4"}, headers=CHANGE)
    assert "is a playlist" in answer.json()["error"]
    upload = {"file": ("list.mp4", playlist)}
    answer = client.post("/api/upload", files=upload, headers=CHANGE)
    assert "is a playlist" in answer.json()["error"]


def test_downloads_come_from_the_exports_only(client, opened, studio):
    folder = studio.get(opened.rpartition("/")[2]).session.paths.folder
    (folder / "exports").mkdir()
    (folder / "exports" / "link").symlink_to(folder / "session.json")
    for name in ("../session.json", "..%2fsession.json", "%2e%2e/session.json", "link", "none"):
        assert client.get(f"{opened}/downloads/{name}").status_code == 404
    assert client.get(f"{opened}/downloads").json()["files"] == []


def test_uploads(client, studio, tmp_path):
    video = tmp_path / "made.mp4"
    with VideoWriter(video, size=(64, 64), fps=Fraction(10)) as writer:
        for index in range(5):
            writer.write(np.full((64, 64, 3), 40 * index, np.uint8))
    name = '../../<img src=x onerror="alert(1)">.mp4'
    answer = client.post("/api/upload", files={"file": (name, video.read_bytes())}, headers=CHANGE)
    assert answer.status_code == 200, answer.text
    assert answer.json()["frame_count"] == 5
    uploads = list((studio.folder / "uploads").iterdir())
    assert len(uploads) == 1
    assert not set("<>\"'/") & set(uploads[0].name)


def test_uploads_that_are_too_large_or_no_video(client, studio):
    large = {"file": ("large.mp4", b"x" * 300_000)}
    answer = client.post("/api/upload", files=large, headers=CHANGE)
    assert (answer.status_code, "larger than" in answer.json()["error"]) == (413, True)

    def chunks():  # as a client that does not tell how much will come
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
        yield from (b"x" * 50_000 for _ in range(8))
        yield b"\r\n--b--\r\n"

    headers = {**CHANGE, "Content-Type": "multipart/form-data; boundary=b"}
    assert client.post("/api/upload", content=chunks(), headers=headers).status_code == 413
    text = client.post("/api/upload", files={"file": ("a.txt", b"x")}, headers=CHANGE)
    assert "not named like a video" in text.json()["error"]
    damaged = client.post("/api/upload", files={"file": ("a.mp4", b"x" * 99)}, headers=CHANGE)
    assert 400 <= damaged.status_code < 500
    uploads = studio.folder / "uploads"
    assert not uploads.exists() or list(uploads.iterdir()) == []


def test_names_are_text(client, opened):
    name = '<script>alert("x")</script>'
    state = change(client, "PATCH", f"{opened}/objects/1", {"name": name})
    assert state["objects"][0]["name"] == name
    answer = client.get(opened)
    assert answer.headers["content-type"] == "application/json"
    for wrong in ({"colour": "red;background:url(x)"}, {"name": " \n "}):
        bad = client.patch(f"{opened}/objects/1", json=wrong, headers=CHANGE)
        assert bad.status_code == 400
    state = change(
        client, "PATCH", f"{opened}/objects/1", {"name": "a\u202eb\x00c", "visible": False}
    )
    assert state["objects"][0]["name"] == "abc"
    assert state["objects"][0]["visible"] is False


def test_undo_and_delete(client, opened, squares):
    box = {"frame": 0, "object": 1, "kind": "box", "box": squares.boxes[0][1]}
    change(client, "POST", f"{opened}/gestures", box)
    answer = change(client, "POST", f"{opened}/undo")
    assert (answer["frame"], answer["masks"]["objects"]) == (0, [])
    answer = change(client, "POST", f"{opened}/redo")
    assert answer["masks"]["objects"][0]["id"] == 1
    answer = client.delete(f"{opened}/objects/1", headers=CHANGE)
    assert [o["id"] for o in answer.json()["objects"]] == [2]
    answer = change(client, "POST", f"{opened}/undo")
    assert (answer["frame"], answer["masks"]["objects"][0]["id"]) == (0, 1)
    assert [o["id"] for o in answer["state"]["objects"]] == [1, 2]
    change(client, "POST", f"{opened}/undo")
    assert change(client, "POST", f"{opened}/undo")["frame"] is None


def test_a_session_has_the_same_id_after_a_restart(client, opened, studio, settings, shared):
    session_id = opened.rpartition("/")[2]
    folder = studio.get(session_id).session.paths.folder
    studio.close()
    assert client.get(opened).status_code == 404
    again = Studio(studio.folder, settings, model=shared)
    assert again.open(None, folder).id == session_id
    again.close()


def test_the_token_is_kept_for_its_owner_only(tmp_path):
    token = kept_token(tmp_path / "out")
    assert kept_token(tmp_path / "out") == token
    assert (tmp_path / "out" / ".studio-token").stat().st_mode & 0o077 == 0
    assert kept_token(tmp_path / "other") != token


def test_paths_within_a_folder(tmp_path):
    (tmp_path / "in").mkdir()
    assert contained(tmp_path, "in/../in") == (tmp_path / "in").resolve()
    assert contained(tmp_path, "") == tmp_path.resolve()
    assert contained(tmp_path / "in", "..") is None
