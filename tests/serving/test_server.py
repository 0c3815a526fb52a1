"""A real server, asked by OpenAI's own client, by curl, and by clients that are rude."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import pytest

from spatial_llm import SpatialLLM
from spatial_llm.cli import main
from tests.program import ROOT
from tests.serving.running import BEHIND, ONE, TWO, WHAT, WHERE, Running, asked, body, part

LEFT = "left, front, above; 3m"


@pytest.fixture(scope="module")
def server():
    with Running("--queue", "32", "--max_request_bytes", "2000000", "--audio_limits.max_seconds", "20") as running:
        yield running


@pytest.fixture(scope="module")
def client(server):
    return server.client()


@pytest.fixture(scope="module")
def tiny() -> SpatialLLM:
    return SpatialLLM.from_pretrained("tiny")


def test_the_client_of_openai_gets_answers_and_what_is_known_of_them(client, tiny):
    raw = client.chat.completions.with_raw_response.create(**body(WHERE, ONE), extra_headers={"x-request-id": "mine-1"})
    answer = raw.parse()
    known = tiny.listen(ONE).ask(WHERE).to_dict()
    assert answer.choices[0].message.content == known.pop("answer") == LEFT
    assert raw.headers["x-request-id"] == "mine-1" and answer.id == "chatcmpl-mine-1" and answer.model == "tiny"
    assert answer.choices[0].finish_reason == "stop" and answer.usage.total_tokens == answer.usage.prompt_tokens + 9
    extra = answer.model_extra["spatial_llm"]
    assert {name: extra[name] for name in known} == known
    assert extra["warnings"] == [] and [len(each) for each in extra["recordings_sha256"]] == [64]
    assert client.chat.completions.create(**body(WHAT, BEHIND)).choices[0].message.content == "engine"
    assert [each.id for each in client.models.list()] == ["tiny"] and client.models.retrieve("tiny").object == "model"


def test_a_question_is_understood_as_ask_understands_it(client, tiny):
    answer = client.chat.completions.create(**body("Tell me a joke about the moon, please.", ONE))
    said = answer.model_extra["spatial_llm"]
    assert "may mean nothing" in said["warnings"][0] and said["notes"]
    question = "where's the sound coming from"
    other, known = client.chat.completions.create(**body(question, ONE)), tiny.listen(ONE).ask(question)
    assert other.choices[0].message.content == str(known)
    extra = other.model_extra["spatial_llm"]
    assert extra["asked"] == known.asked != question
    # A server says to everyone what the library says once.
    assert extra["notes"][0] == known.notes[0] and "distances rest on the level" in extra["notes"][1]


def test_a_stream_is_the_answer_in_pieces(client):
    chunks = list(client.chat.completions.create(**body(WHERE, ONE), stream=True, stream_options={"include_usage": True}))
    assert chunks[0].choices[0].delta.role == "assistant" and chunks[-1].usage.completion_tokens == 9
    deltas = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(deltas) == LEFT and len([one for one in deltas if one]) > 3
    assert chunks[-2].choices[0].finish_reason == "stop" and chunks[-2].model_extra["spatial_llm"]["question_type"] == "DOA"
    short = list(client.chat.completions.create(**body(WHERE, ONE), stream=True, max_tokens=2))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in short) == "left,"
    assert short[-1].choices[0].finish_reason == "length" and all(chunk.usage is None for chunk in short)


def test_turns_and_recordings_of_a_conversation_are_known(client, tiny):
    talk = tiny.talk(ONE)
    first = client.chat.completions.create(**body(WHERE, ONE)).choices[0].message
    assert first.content == str(talk.ask(WHERE))
    messages = [asked(WHERE, ONE), first.model_dump(), asked(WHAT)]
    second = client.chat.completions.create(model="tiny", messages=messages)
    assert second.choices[0].message.content == str(talk.ask(WHAT))
    talk.hear(BEHIND)
    messages += [second.choices[0].message.model_dump(exclude_none=True), asked(WHERE, BEHIND)]
    third = client.chat.completions.create(model="tiny", messages=messages)
    assert third.choices[0].message.content == str(talk.ask(WHERE))
    assert len(third.model_extra["spatial_llm"]["recordings_sha256"]) == 2


def test_what_is_refused_has_a_status_and_a_sentence(client):
    silent = b"RIFF" + b"\0" * 40
    for error, status, words, given in (
        (openai.NotFoundError, 404, "'other' is not served here", {"model": "other"}),
        (openai.BadRequestError, 400, "temperature is 0.7: answers are the most probable", {"temperature": 0.7}),
        (openai.UnprocessableEntityError, 422, r"messages\[0\].content\[0\]: .*damaged WAV", body(WHAT, silent, kind="wav")),
        (openai.UnprocessableEntityError, 422, "special token", body("Is <|audio|> there?", ONE)),
        (openai.APIStatusError, 413, "larger than 2000000 bytes", body(WHAT, b"RIFF" + bytes(3_000_000), kind="wav")),
    ):
        with pytest.raises(error, match=words) as caught:
            client.chat.completions.create(**body(WHERE, ONE) | given)
        assert caught.value.status_code == status
        assert set(caught.value.body) == {"message", "type", "param", "code"}
    with pytest.raises(openai.NotFoundError, match="there is no such address"):
        client.embeddings.create(model="tiny", input="a")


def curl(*arguments: str, given: bytes = b"") -> tuple[int, dict | str]:
    """Status and body of a call of curl."""
    if shutil.which("curl") is None:
        pytest.skip("no curl on this machine")
    command = ["curl", "-sS", "-m", "60", "-w", "\n%{http_code}", *arguments]
    done = subprocess.run(command, input=given, capture_output=True, check=True, timeout=90)
    text, _, status = done.stdout.decode().rpartition("\n")
    return int(status), text


def test_curl_gets_answers_streams_and_errors(server):
    chat = [f"{server.url}/chat/completions", "-H", "Content-Type: application/json", "--data-binary", "@-"]
    status, text = curl(*chat, given=json.dumps(body(WHERE, ONE)).encode())
    assert status == 200 and json.loads(text)["choices"][0]["message"]["content"] == LEFT
    status, text = curl(*chat, given=json.dumps(body(WHERE, ONE, stream=True)).encode())
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    pieces = [json.loads(line)["choices"][0]["delta"].get("content", "") for line in lines[:-1]]
    assert status == 200 and lines[-1] == "[DONE]" and "".join(pieces) == LEFT
    status, text = curl(*chat, given=b"{")
    assert status == 400 and "no JSON" in json.loads(text)["error"]["message"]
    status, text = curl(f"{server.url}/chat/completions", "-d", "{}")
    assert status == 415 and "send application/json" in json.loads(text)["error"]["message"]
    status, text = curl(f"{server.host}/health")
    assert status == 200 and json.loads(text)["accepted"] == 0
    status, text = curl(f"{server.url}/chat/completions")
    assert status == 405 and "GET is not for this address" in text


def test_files_and_addresses_are_refused_in_words(client, tmp_path):
    secret = tmp_path / "secret.wav"
    secret.write_bytes(b"RIFF")
    for one in (
        {"type": "audio_url", "audio_url": {"url": "http://127.0.0.1:9/a.wav"}},
        {"type": "file", "file": {"file_id": "a"}},
        {"type": "input_audio", "input_audio": {"data": f"file://{secret}", "format": "wav"}},
        {"type": "input_audio", "input_audio": {"data": str(secret), "format": "wav"}},
    ):
        with pytest.raises(openai.BadRequestError, match=r"no address is fetched|in base64"):
            client.chat.completions.create(
                model="tiny", messages=[{"role": "user", "content": [one, {"type": "text", "text": WHAT}]}]
            )


def test_what_the_command_line_and_the_system_refuse(server, capsys):
    assert main(["serve", "--batch_size", "0"]) == 1
    assert "batch_size is 0; give a whole number, 1 or more" in capsys.readouterr().err
    for option, words in (("level_dbfs_at_1m=99", "level_dbfs_at_1m is 99"), ("heading_deg=5", "is not rendered")):
        assert main(["serve", "--port=0", f"--{option}"]) == 1
        assert words in capsys.readouterr().err
    assert main(["serve", "--port", str(server.port)]) == 1
    assert f"127.0.0.1:{server.port}: Address already in use: choose another --port" in capsys.readouterr().err


@pytest.mark.slow
def test_the_code_of_the_page_about_serving_runs(server, tmp_path):
    page = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8").replace("http://127.0.0.1:8000", server.host)
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert lines[0] == lines[2] == LEFT and "distances rest on" in lines[1] and lines[3]
    if shutil.which("curl") is None:
        return
    shell = re.search(r"```\n(python - > body.json.*?)```", page, re.DOTALL)[1]
    shell = shell.replace("body.json", str(tmp_path / "body.json")).replace("python -", f"{sys.executable} -")
    ran = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert json.loads(ran.stdout)["object"] == "chat.completion", ran.stderr


# --- slow: more servers, more clients ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_500_questions_of_20_clients_get_the_answers_of_one(tiny):
    """None is lost and none is mixed up: each has the answer that its question about its recording has alone."""
    taught = list(dict.fromkeys(question.question for question in tiny.processor.taught.questions))
    files = [ONE, BEHIND, TWO]
    work = [(files[number % 3], taught[number % len(taught)]) for number in range(500)]
    alone = {file: tiny.listen(file) for file in files}
    wanted = {(file, text): str(alone[file].ask(text, as_asked=True)) for file, text in set(work)}
    assert len(set(wanted.values())) > 10
    with Running("--as_asked", "true", "--remembered", "0") as running:
        client = running.client()

        def ask(number: int) -> tuple[str, str]:
            file, question = work[number]
            given = body(question, file) | {"extra_headers": {"x-request-id": f"q{number}"}}
            if number % 5 == 0:
                chunks = list(client.chat.completions.create(**given, stream=True))
                return chunks[0].id, "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
            answer = client.chat.completions.create(**given)
            return answer.id, answer.choices[0].message.content

        with ThreadPoolExecutor(20) as clients:
            found = list(clients.map(ask, range(500)))
        assert [id for id, _ in found] == [f"chatcmpl-q{number}" for number in range(500)]
        assert [answer for _, answer in found] == [wanted[one] for one in work]
        assert running.stop() == 0
    assert [line for line in running.said if "Traceback" in line] == []


@pytest.mark.slow
def test_more_requests_than_the_queue_holds_are_told_to_come_again():
    with Running("--queue", "2", "--batch_size", "1", "--remembered", "0") as running:
        client = running.client()

        def ask(_: int) -> int:
            try:
                client.chat.completions.create(**body(WHERE, ONE))
                return 200
            except openai.RateLimitError as error:
                assert 1 <= int(error.response.headers["retry-after"]) <= 60 and error.body["code"] == "busy"
                return 429

        with ThreadPoolExecutor(12) as clients:
            found = list(clients.map(ask, range(48)))
        assert set(found) == {200, 429}
        patient = running.client(max_retries=20)
        with ThreadPoolExecutor(4) as clients:
            answers = list(clients.map(lambda _: patient.chat.completions.create(**body(WHERE, ONE)), range(8)))
        assert {each.choices[0].message.content for each in answers} == {LEFT}


def raw(port: int, head: str, content: bytes = b"") -> socket.socket:
    """A connection on which a head and a part of a body were sent."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.sendall(head.replace("\n", "\r\n").encode() + content)
    return connection


def head(size: int, path: str = "/v1/chat/completions") -> str:
    """The head of a request with a body of so many bytes."""
    return f"POST {path} HTTP/1.1\nHost: a\nContent-Type: application/json\nContent-Length: {size}\n\n"


def accepted(running: Running) -> int:
    """How many requests a server has to do with."""
    with urllib.request.urlopen(f"{running.host}/health", timeout=30) as response:
        return json.load(response)["accepted"]


def until(running: Running, wanted: int, seconds: float = 20) -> None:
    """Waits until a server has to do with so many requests."""
    end = time.monotonic() + seconds
    while (found := accepted(running)) != wanted:
        assert time.monotonic() < end, f"{found} accepted, expected {wanted}"
        time.sleep(0.05)


@pytest.mark.slow
def test_clients_that_go_or_send_slowly_free_their_places():
    with Running("--queue", "4", "--body_seconds", "2", "--max_held_bytes", "400000") as running:
        content = json.dumps(body(WHERE, ONE)).encode()
        held = raw(running.port, head(300_000), b" " * 299_000)
        until(running, 1)
        time.sleep(0.5)
        with pytest.raises(openai.RateLimitError, match="as many as are held at a time"):
            running.client().chat.completions.create(**body(WHERE, ONE))
        held.close()
        until(running, 0)
        slow = [raw(running.port, head(len(content)), content[:100]) for _ in range(4)]
        until(running, 4)
        with pytest.raises(openai.RateLimitError):
            running.client().chat.completions.create(**body(WHERE, ONE))
        reply = slow[0].recv(4096)
        assert reply.startswith(b"HTTP/1.1 408") and b"did not come within 2 s" in reply + slow[0].recv(4096)
        until(running, 0)
        # The head of a request that never ends; and one after a request that was answered.
        for connection in (raw(running.port, "POST /v1"), raw(running.port, "GET /health HTTP/1.1\nHost: a\n\nGET /he")):
            begun = time.monotonic()
            while connection.recv(4096):
                pass
            assert time.monotonic() - begun < 10
        # Gone while the body is sent, and while the answer is written.
        for cut in (len(content) // 2, len(content)):
            for _ in range(8):
                raw(running.port, head(len(content)), content[:cut]).close()
        until(running, 0)
        with running.client().chat.completions.create(**body(WHERE, ONE), stream=True) as stream:
            next(iter(stream))
        until(running, 0)
        assert running.client().chat.completions.create(**body(WHERE, ONE)).choices[0].message.content == LEFT
        for connection in slow:
            connection.close()
        assert running.stop(signal.SIGINT) == 0


def lives(process: str, seconds: float = 20) -> bool:
    """Whether a process still runs after so long; one that has ended may wait to be looked at."""
    end, stat = time.monotonic() + seconds, Path(f"/proc/{process}/stat")
    while stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z":
        if time.monotonic() > end:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.slow
def test_a_server_that_is_told_to_stop_finishes_and_one_that_was_killed_starts_again():
    with Running("--batch_size", "1", "--remembered", "0") as running:
        client, port = running.client(), running.port
        with ThreadPoolExecutor(8) as clients:
            waiting = [clients.submit(client.chat.completions.create, **body(WHERE, ONE)) for _ in range(8)]
            until(running, 8)
            running.process.send_signal(signal.SIGTERM)
            answers = [each.result() for each in waiting]
        assert {each.choices[0].message.content for each in answers} == {LEFT}
        assert running.process.wait(30) == 0
        with pytest.raises(openai.APIConnectionError):
            client.chat.completions.create(**body(WHERE, ONE))
    with Running(port=port) as running:
        running.client().chat.completions.create(**body(WHERE, ONE))
        children = subprocess.run(["pgrep", "-P", str(running.process.pid)], capture_output=True, text=True).stdout.split()
        assert children
        running.stop(signal.SIGKILL)
        assert not [each for each in children if lives(each)], "readers end with their server"
        with Running("--stop_seconds", "1", port=port) as again, raw(port, head(1000), b"{") as unfinished:
            until(again, 1)
            assert again.stop() == 0
            assert unfinished.recv(4096).startswith(b"HTTP/1.1 503")
        assert not [line for line in again.said if "Traceback" in line]
        with Running(port=port) as again:
            assert again.client().chat.completions.create(**body(WHERE, ONE)).choices[0].message.content == LEFT


@pytest.mark.slow
def test_other_microphones_are_rendered_and_mono_is_heard_where_that_is_allowed(tiny, tmp_path):
    import numpy as np
    import soundfile

    sound = 0.1 * np.random.default_rng(0).standard_normal((64_000, 4)).astype(np.float32)
    soundfile.write(tmp_path / "foa.wav", sound, 32_000, "PCM_16")
    soundfile.write(tmp_path / "mono.wav", sound[:, 0], 32_000, "PCM_16")
    with Running("--microphone", "foa", "--heading_deg", "90") as running:
        answer = running.client().chat.completions.create(**body(WHAT, tmp_path / "foa.wav", kind="wav"))
        assert answer.choices[0].message.content == str(tiny.ask(tmp_path / "foa.wav", WHAT, format="foa", heading_deg=90))
        said = answer.model_extra["spatial_llm"]
        assert said["derived"] and "rendered to the ears of MIT KEMAR" in said["warnings"][-1]
    with Running("--allow_mono", "true") as running:
        answer = running.client().chat.completions.create(**body(WHAT, tmp_path / "mono.wav", kind="wav"))
        assert "all channels of the recording are the same" in answer.model_extra["spatial_llm"]["warnings"][0]
        both = np.repeat(soundfile.read(tmp_path / "mono.wav", dtype="float32", always_2d=True)[0].T, 2, axis=0)
        assert answer.choices[0].message.content == str(tiny.ask(both, WHAT, 32_000))
        assert part(tmp_path / "mono.wav", "wav")["input_audio"]["format"] == "wav"
