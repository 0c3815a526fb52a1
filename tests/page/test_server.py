"""The page over HTTP: nothing of it points elsewhere, no path of a client is read, no address is fetched."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

pytest.importorskip("gradio")
from starlette.testclient import TestClient

from spatial_llm.page.arguments import AppArguments
from spatial_llm.page.server import Closed, _gradio_settings, model_name, page_app, show_page
from tests.page.conftest import MOST_BYTES


@pytest.fixture(scope="module")
def client(handlers):
    with _gradio_settings(str(handlers.uploads.folder)):
        app = page_app(handlers, AppArguments(max_upload_bytes=MOST_BYTES))
        with TestClient(app, base_url="http://127.0.0.1") as client:
            yield client


def clicked(client: TestClient, name: str, *values: object) -> dict:
    """The last message of a click, whose values the client made up."""
    session, numbers = f"s{time.monotonic_ns()}", client.get("/config").json()["dependencies"]
    number = next(each["id"] for each in numbers if each["api_name"] == name)
    body = {"data": list(values), "fn_index": number, "session_hash": session, "event_data": {}}
    assert client.post("/gradio_api/queue/join", json=body).status_code == 200
    with client.stream("GET", f"/gradio_api/queue/data?session_hash={session}") as stream:
        for line in stream.iter_lines():
            message = json.loads(line.removeprefix("data: ")) if line.startswith("data: ") else {}
            if message.get("msg") in ("process_completed", "unexpected_error"):
                return message
    raise AssertionError("the stream ended")


def test_the_page_names_no_other_address_and_its_policy_allows_none(client):
    answer = client.get("/")
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy and "http" not in policy and "frame-ancestors 'none'" in policy
    # What a page loads by itself stands in src of scripts and pictures and in href of links.
    loaded = re.findall(r"<(?:script|img|link)[^>]*(?:src|href)=\"(https?:|//)[^\"]*\"", answer.text)
    assert loaded == []
    assert "fonts.googleapis" not in answer.text + client.get("/theme.css").text


def test_no_click_can_be_called_by_name(client):
    assert client.get("/gradio_api/info").json()["named_endpoints"] == {}


@pytest.mark.parametrize("path", ["/etc/hostname", "{folder}/../secret.wav", "C:\\secret"])
def test_paths_of_clients_are_not_read(client, handlers, path, tmp_path):
    path = path.format(folder=handlers.uploads.folder)
    told = clicked(client, "given", None, {"path": path, "name": "x", "told": 1})
    assert told["success"] is False and "upload it again" in json.dumps(told["output"])
    assert client.get(f"/gradio_api/file={path}").status_code in (403, 404)
    as_file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    told = clicked(client, "given", None, as_file)
    assert told["success"] is False and "/etc" not in json.dumps(told["output"])


def test_no_address_of_a_client_is_fetched(client):
    asked = []

    class Trap(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET

        def log_message(self, *said: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Trap) as trap:
        threading.Thread(target=trap.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{trap.server_port}/a.wav"
        for value in ({"path": url, "name": "x"}, {"path": url, "url": url, "meta": {"_type": "gradio.FileData"}}):
            assert clicked(client, "given", None, value)["success"] is False
        told = clicked(client, "ask", None, {"path": url, "url": url, "meta": {"_type": "gradio.FileData"}})
        trap.shutdown()
    assert asked == [] and told["success"] is False


def test_an_upload_is_bounded(client):
    def send(size: int) -> int:
        return client.post("/gradio_api/upload", files={"files": ("a.wav", b"x" * size)}).status_code

    assert send(1000) == 200 and send(MOST_BYTES + 1000) == 413


def test_a_bug_is_a_sentence_and_its_traceback_is_in_the_log(client, handlers, monkeypatch, capsys):
    def broken(*given: object) -> None:
        raise RuntimeError("secret of the machine")

    monkeypatch.setattr(handlers, "ask", broken)
    told = json.dumps(clicked(client, "ask", None, "Where?")["output"])
    assert "because of a bug" in told and "secret" not in told
    assert "secret of the machine" in capsys.readouterr().err


def test_options_of_the_page_reach_where_they_work(handlers):
    from spatial_llm.page.layout import MOST_VISITS, make_page

    page = make_page(handlers, AppArguments(queue=7, max_upload_bytes=12_345, conversation=True), "m", "mit")
    assert page._queue.max_size == 7 and page.state_session_capacity == MOST_VISITS and page.analytics_enabled is False
    config = str(page.get_config_file())
    assert config.count("12345") == 2 and "in one conversation" in config and "licence mit" in config


def test_another_host_and_a_taken_port_are_told_before_the_model_is_loaded():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        arguments = AppArguments(model="nothing there", port=taken.getsockname()[1])
        with pytest.raises(OSError, match="choose another --port"):
            show_page(arguments)
        arguments.host = "0.0.0.0"
        with pytest.warns(UserWarning, match="nobody is asked who they are"), pytest.raises(OSError, match="--port"):
            show_page(arguments)


@pytest.mark.parametrize("ended", [False, True])
def test_a_stream_that_is_cancelled_when_the_page_stops_ends_once_and_without_an_error(ended):
    sent = []

    async def stream(scope: dict, receive: object, send: object) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x", "more_body": not ended})
        raise asyncio.CancelledError

    async def send(message: dict) -> None:
        sent.append(message)

    asyncio.run(Closed(stream)({}, None, send))
    assert [each["more_body"] for each in sent[1:]] == ([False] if ended else [True, False])
    assert dict(sent[0]["headers"])[b"content-security-policy"]


def test_a_model_is_called_by_its_folder_and_not_by_its_path(tmp_path):
    assert model_name("tiny") == "tiny" and model_name(str(tmp_path / "bat")) == "bat"


@pytest.mark.slow  # starts a process
def test_stopped_while_the_model_is_loaded_it_leaves_no_folder(tmp_path, repository):
    command = [sys.executable, "-m", "spatial_llm", "app", "--port", "0", "--device", "cpu"]
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": str(repository)}
    with subprocess.Popen(command, env=environment, cwd=repository, stdout=subprocess.PIPE, text=True) as page:
        while not list(tmp_path.glob("spatial-llm-page-*")) and page.poll() is None:
            time.sleep(0.01)
        page.send_signal(signal.SIGTERM)
        said, _ = page.communicate(timeout=60)
    assert page.returncode == 128 + signal.SIGTERM and "The page is at" not in said
    assert list(tmp_path.glob("spatial-llm-page-*")) == []
