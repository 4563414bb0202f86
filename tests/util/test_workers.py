"""Processes that do tasks side by side, in a program of their own, whose standard error is read."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, signal, sys, time
from contextlib import closing, suppress
from persam_video.util.workers import Processes, TaskLost

def handler(share):
    def handle(task, tell):
        if task == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            tell((share.number, task, share.threads))
            if task == "long":
                time.sleep(60)
            return "done"
        except KeyboardInterrupt:
            open(f"{share.number}.txt", "a").write("put in order\\n")
            time.sleep(0.05)  # a second signal would come in the meantime
            raise
    return handle

if __name__ == "__main__":
    kind, workers, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    tasks = {"all": [1, 2, 3, 4, 5], "die": [1, "die", 2], "long": ["long"] * workers}[kind]
    for _ in range(rounds):
        seen = []
        def happened(event):
            assert event[2] == 3
            seen.append(event[1])
            if kind == "long" and len(seen) == workers:
                raise KeyboardInterrupt
        with suppress(KeyboardInterrupt):
            with closing(Processes(handler, workers, 3).run(tasks, happened)) as results:
                for result in results:
                    if isinstance(result, TaskLost):
                        seen.append("lost")
                    else:
                        assert result == "done"
        print(sorted(map(str, seen)))
"""


def run(folder: Path, *arguments: object) -> "subprocess.CompletedProcess[str]":
    (folder / "program.py").write_text(PROGRAM)
    line = [sys.executable, "program.py", *map(str, arguments)]
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("workers", [2, 3, 4])
def test_all_is_done_and_nothing_is_said_on_standard_error(tmp_path, workers):
    rounds = 4
    done = run(tmp_path, "all", workers, rounds)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "['1', '2', '3', '4', '5']\n" * rounds


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to interrupt with")
@pytest.mark.parametrize("workers", [2, 4])
def test_workers_that_are_left_early_put_their_files_in_order_in_silence(tmp_path, workers):
    rounds = 4
    done = run(tmp_path, "long", workers, rounds)
    assert (done.returncode, done.stderr) == (0, "")
    for number in range(workers):
        assert (tmp_path / f"{number}.txt").read_text() == "put in order\n" * rounds


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_lost_task_is_reported_and_the_others_are_done(tmp_path):
    done = run(tmp_path, "die", 2, 1)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "['1', '2', 'lost']\n"


BOMBARDED = """
import signal, sys
from persam_video.util.workers import InterruptOnce

times = 0
interrupt = InterruptOnce()
signal.signal(signal.SIGTERM, interrupt)
try:
    print("ready", flush=True)
    sys.stdin.read()
except KeyboardInterrupt:
    times += 1
print(times)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process at once")
def test_signals_in_a_row_interrupt_once_and_in_silence():
    for _ in range(10):
        process = subprocess.Popen(
            [sys.executable, "-c", BOMBARDED],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for _ in range(5):
            os.kill(process.pid, signal.SIGTERM)
        said, errors = process.communicate()
        # Python itself may be ending when the last of them comes, by which it is ended then
        assert errors == ""
        assert (said, process.returncode) in {("1\n", 0), ("1\n", -15), ("", -15)}
