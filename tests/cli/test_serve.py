"""``persam-video serve``: what it says, whom it serves, and how it ends."""

import base64
import json
import re
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.cli.test_studio import end, start_program

pytest.importorskip("uvicorn", reason="no uvicorn (the extra 'studio')")


def start(*arguments):
    process = start_program("serve", "label-studio", *arguments, "--port", "0")
    address = re.fullmatch(r"label-studio: (http://\S+)\n", process.stdout.readline())[1]
    told = process.stdout.readline()
    user, password = re.fullmatch(r"user: (\S+), password: (\S+)\n", told).groups()
    return process, address, f"{user}:{password}"


def test_the_printed_address_and_password_are_those_that_count(tmp_path):
    process, address, login = start("--root", tmp_path, "--out", tmp_path / "out")
    try:
        assert address.startswith("http://127.0.0.1:")
        request = Request(f"{address}/health")
        with pytest.raises(HTTPError, match="401"):
            urlopen(request, timeout=60)
        request.add_header("Authorization", f"Basic {base64.b64encode(login.encode()).decode()}")
        assert json.loads(urlopen(request, timeout=60).read())["status"] == "UP"
    finally:
        end(process)
    process, _, again = start("--out", tmp_path / "out", "--host", "0.0.0.0")
    assert "every machine that reaches this one and has the password" in end(process)
    assert again == login


def test_what_is_wrong_is_one_line(tmp_path, fails):
    words = ("serve", "label-studio", "--out", tmp_path / "out")
    assert "begins with http://" in fails(*words, "--label-studio", "localhost:8080")
    assert "cannot listen on" in fails(*words, "--host", "192.0.2.77")
    (tmp_path / "file").write_text("")
    assert "cannot be written" in fails(*words[:3], tmp_path / "file" / "out")
