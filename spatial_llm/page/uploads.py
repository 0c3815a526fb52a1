"""Files that were uploaded: read once, by the guarded processes of the server, and removed."""

import contextlib
import os
from pathlib import Path
from typing import Any

from spatial_llm.errors import AudioError
from spatial_llm.serving.recordings import Readers, Window


class Uploads:
    """Reads what visitors uploaded.

    Args:
        folder: where gradio puts uploads; no file outside it is read.
        recordings: decode recordings to the model's window.
        sounds: decode sounds to be placed, likewise.
        most_bytes: largest file.
    """

    def __init__(self, folder: str | Path, recordings: Readers, sounds: Readers, most_bytes: int) -> None:
        self.folder = Path(folder).resolve()
        self.recordings, self.sounds, self.most_bytes = recordings, sounds, most_bytes

    def start(self) -> None:
        """Starts the processes, which takes a moment that the first visitor need not wait for."""
        self.recordings.start()
        self.sounds.start()

    def close(self) -> None:
        """Ends the processes."""
        self.recordings.close()
        self.sounds.close()

    def recording(self, path: Any) -> Window:
        """Returns the window that the model hears of an uploaded recording, whose file is removed.

        Args:
            path: as the browser gave it.

        Raises:
            AudioError: it is no file that was uploaded, too large, or no recording; see `recordings.ReaderProcess.read`.
        """
        return self.recordings.read(self._taken(path))

    def sound(self, path: Any) -> Window:
        """Returns an uploaded sound (1, window_samples) to be placed; see `recording`."""
        return self.sounds.read(self._taken(path))

    def _taken(self, path: Any) -> bytes:
        refused = AudioError("the file is not there (any more); upload it again.")
        if not isinstance(path, str) or not path or "\0" in path:
            raise refused
        # What the browser sends may name any file of this machine; links are followed first.
        found = Path(os.path.realpath(path))
        if not found.is_relative_to(self.folder) or not found.is_file():
            raise refused
        try:
            size = found.stat().st_size
            if size > self.most_bytes:
                raise AudioError(
                    f"the file has {size:,} bytes, more than the {self.most_bytes:,} that are taken; cut it, or start the "
                    "page with another --max_upload_bytes."
                )
            content = found.read_bytes()
        finally:
            found.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                found.parent.rmdir()  # of this file alone, unless another visitor gave the same one
        if not content:
            raise AudioError("the file is empty; give a sound file, WAV or FLAC.")
        return content
