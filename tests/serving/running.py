"""A server as its users start it: a process of its own, asked over the network of this machine."""

import base64
from pathlib import Path
from typing import Any

from spatial_llm.shipped import RECORDINGS
from tests.program import Program

WHAT, WHERE = "What sound events can you hear in the audio clip?", "Where is the sound in this audio clip coming from?"
ONE, BEHIND, TWO = (RECORDINGS / name for name in ("one_source.flac", "one_source_behind.flac", "two_sources.flac"))


def part(file: Path | bytes, kind: str = "flac") -> dict[str, Any]:
    """A recording as a part of a message."""
    content = file if isinstance(file, bytes) else file.read_bytes()
    return {"type": "input_audio", "input_audio": {"data": base64.b64encode(content).decode(), "format": kind}}


def asked(question: str, *recordings: Path | bytes, kind: str = "flac") -> dict[str, Any]:
    """A message of the user."""
    return {"role": "user", "content": [*(part(one, kind) for one in recordings), {"type": "text", "text": question}]}


def body(question: str, *recordings: Path | bytes, kind: str = "flac", **more: Any) -> dict[str, Any]:
    """The body of a request of one question."""
    return {"model": "tiny", "messages": [asked(question, *recordings, kind=kind)], **more}


class Running(Program):
    """`spatial-llm serve` with the shipped model, until the context ends; options as on the command line."""

    def __init__(self, *options: str, port: int = 0) -> None:
        super().__init__("serve", " is served at ", "--port", str(port), *options)
        self.host = self.url.removesuffix("/v1")
        self.port = int(self.host.rpartition(":")[2])

    def client(self, **options: Any) -> Any:
        """A client of OpenAI's own library, which does not try again by itself."""
        from openai import OpenAI

        return OpenAI(**{"base_url": self.url, "api_key": "none", "max_retries": 0, "timeout": 60} | options)

    def peak_mb(self) -> int:
        """The peak of the memory of the server, without its readers."""
        return int(Path(f"/proc/{self.process.pid}/status").read_text().split("VmHWM:")[1].split()[0]) // 1024
