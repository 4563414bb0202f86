"""Random sequences of what a person does, over HTTP; every step must leave everything in order."""

import shutil
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from starlette.testclient import TestClient

from persam_video.config import load_settings
from persam_video.masks.png import read_label_png
from persam_video.sam.build import load_model
from persam_video.sinks import RunStatus, read_run, read_tracks
from persam_video.studio import InteractiveSession
from persam_video.studio.model import SharedModel
from persam_video.studio.server import make_app
from persam_video.studio.studio import Studio
from tests.studio.conftest import SIZE, draw

TOKEN = "abcdefghijklmnopqrstuvwxyz"
BASE = "http://127.0.0.1:8000"
HEADERS = {"X-Persam": "1", "Origin": BASE, "Authorization": f"Bearer {TOKEN}"}
LENGTH = 6
FRAMES = st.integers(0, LENGTH - 1)
POINTS = st.tuples(st.integers(0, SIZE[1] - 1), st.integers(0, SIZE[0] - 1))
KINDS = st.sampled_from(["click", "away", "box", "paint", "erase", "clear"])
METHOD = load_settings("persam", {"model.image_size": 128, "model.device": "cpu"})


@pytest.fixture(scope="module")
def small_model():
    return SharedModel(METHOD, load_model(METHOD))


@dataclass(frozen=True)
class Picture:
    """What a session shows."""

    objects: tuple
    annotated: list[int]
    valid: int
    steps: tuple[bool, bool]
    tracked: list[int]
    pixels: bytes

    @classmethod
    def of(cls, session):
        return cls(
            session.objects,
            session.annotated,
            session.valid,
            (session.can_undo, session.can_redo),
            session.journal.frames,
            b"".join(session.result(index).labels.tobytes() for index in range(LENGTH)),
        )

    @property
    def labels(self):
        return np.frombuffer(self.pixels, np.uint8).reshape(LENGTH, *SIZE)


class Person(RuleBasedStateMachine):
    """Does what a person can do, and looks after every step."""

    model: SharedModel

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        draw(self.folder / "frames", LENGTH)
        # what was shown before each gesture in force, and in which frames that must come back
        self.before: list[tuple[Picture, list[int]]] = []
        self.start()
        for _ in range(2):
            self.send("POST", "/objects")

    def start(self):
        self.studio = Studio(self.folder / "out", METHOD, root=self.folder, model=self.model)
        app = make_app(self.studio, TOKEN)
        self.client = TestClient(app, base_url=BASE, headers=HEADERS, raise_server_exceptions=False)
        opened = self.client.post("/api/sessions", json={"path": "frames"}).json()
        self.address = f"/api/sessions/{opened['id']}"
        self.session = self.studio.get(opened["id"]).session

    def send(self, method, path, data=None):
        answer = self.client.request(method, f"{self.address}{path}", json=data or {})
        assert answer.status_code < 500, answer.text
        return answer

    def wait(self, *states):
        """Wait while the job is in one of the states."""
        while (job := self.send("GET", "").json()["job"])["state"] in states:
            time.sleep(0.01)
        assert "error in the program" not in job["message"]

    def ids(self):
        return [shown.id for shown in self.session.objects]

    def teardown(self):
        self.studio.close()
        shutil.rmtree(self.folder)

    @rule(frame=FRAMES, point=POINTS, kind=KINDS)
    def mark(self, frame, point, kind):
        x, y = point
        ids = self.ids()
        data = {"frame": frame, "object": ids[(x + y) % len(ids)], "x": x, "y": y}
        data |= {"kind": "click", "positive": kind != "away"}
        if kind == "box":
            data |= {"kind": "box", "box": [x - 9, y - 9, x + 9, y + 9]}
        elif kind in ("paint", "erase"):
            data |= {"kind": "stroke", "points": [[x, y]], "radius": 7, "erase": kind == "erase"}
        elif kind == "clear":
            data |= {"kind": "clear"}
        before = Picture.of(self.session)
        if self.send("POST", "/gestures", data).status_code != 200:
            assert Picture.of(self.session) == before
            return
        after = Picture.of(self.session)
        self.send("POST", "/undo")
        assert Picture.of(self.session) == replace(before, steps=(before.steps[0], True))
        self.send("POST", "/redo")
        assert Picture.of(self.session) == after
        self.before.append((before, [frame]))

    @precondition(lambda self: self.before)
    @rule()
    def undo(self):
        before, frames = self.before.pop()
        assert self.send("POST", "/undo").json()["frame"] in range(LENGTH)
        assert all(shown in self.session.objects for shown in before.objects)
        assert self.session.annotated == before.annotated
        for frame in frames:
            assert np.array_equal(self.session.result(frame).labels, before.labels[frame])

    @precondition(lambda self: len(self.ids()) > 1)
    @rule(number=st.integers(0, 3))
    def delete(self, number):
        before = Picture.of(self.session)
        ids = self.ids()
        gone = ids[number % len(ids)]
        assert self.send("DELETE", f"/objects/{gone}").status_code == 200
        assert gone not in self.ids()
        now, then = Picture.of(self.session).labels, before.labels
        assert not (now == gone).any()
        assert np.array_equal(now[then != gone], then[then != gone])
        self.before.append((before, sorted({*before.tracked, *before.annotated})))

    @precondition(lambda self: len(self.ids()) < 3)
    @rule()
    def add(self):
        self.send("POST", "/objects")

    @rule(
        start=FRAMES,
        stop=st.none() | FRAMES,
        direction=st.sampled_from(["forward", "forward", "backward", "both"]),
        until_next=st.booleans(),
        patience=st.sampled_from([None, None, 0, 0.05, 0.2]),
        meanwhile=st.none() | st.tuples(FRAMES, POINTS),
        kill=st.booleans(),
    )
    def track(self, start, stop, direction, until_next, patience, meanwhile, kill):
        data = {"start": start, "stop": stop, "direction": direction, "until_next": until_next}
        if self.send("POST", "/track", data).status_code != 200:
            return
        if meanwhile is not None:
            frame, point = meanwhile
            annotated = self.session.annotated
            data = {"kind": "stroke", "points": [point], "radius": 5}
            data |= {"frame": frame, "object": self.ids()[0]}
            assert self.send("POST", "/gestures", data).status_code == 200
            self.send("POST", "/undo")
            assert self.session.annotated == annotated
        if kill:
            self.send("POST", "/job", {"action": "pause"})
            self.wait("queued", "running")
            self.kill()
            self.send("POST", "/job", {"action": "resume"})
        if patience is not None:
            time.sleep(patience)
            self.send("POST", "/job", {"action": "cancel"})
        self.wait("queued", "running", "paused")

    @rule(frame=FRAMES)
    def accept(self, frame):
        self.send("POST", "/accept", {"frame": frame})

    @rule(output=st.sampled_from(["coco", "masks"]))
    def export(self, output):
        self.send("POST", "/export", {"output": output})
        self.wait("queued", "running")
        self.compare_run(Picture.of(self.session))

    @rule()
    def kill(self):
        """Open what a kill at this moment leaves on disk."""
        left = self.folder / "left"
        shutil.copytree(self.session.paths.folder, left)
        with InteractiveSession(None, left, model=self.model) as again:
            assert Picture.of(again) == Picture.of(self.session)
        shutil.rmtree(left)

    @rule()
    def restart(self):
        shown = Picture.of(self.session)
        self.studio.close()
        self.compare_run(shown)
        self.start()
        assert Picture.of(self.session) == shown

    @invariant()
    def everything_can_be_looked_at(self):
        for path in ("", "/timeline", "/review", "/frames/3/masks", "/frames/3/masks?before=1"):
            assert self.send("GET", path).status_code == 200

    def compare_run(self, shown):
        """Compare the run in the folder, once it is brought up to date, with what is shown."""
        folder = self.session.paths.folder
        if not (folder / "run.json").exists():
            return
        assert read_run(folder / "run.json").status is not RunStatus.RUNNING
        records = list(read_tracks(folder / "tracks.jsonl"))
        assert {*shown.tracked, *shown.annotated} <= {record.frame for record in records}
        assert len(list((folder / "masks").iterdir())) == len(records)
        for record in records:
            mask = read_label_png(folder / "masks" / f"{record.frame:05d}.png")
            assert np.array_equal(mask, shown.labels[record.frame])
            assert np.array_equal(record.result(SIZE).labels, mask)


def test_whatever_a_person_does(small_model):
    Person.model = small_model
    machine = Person.TestCase()
    machine.settings = settings(
        max_examples=8,
        stateful_step_count=14,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    machine.runTest()
