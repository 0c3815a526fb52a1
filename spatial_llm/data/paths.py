"""Where the files of a manifest are, and whether they exist: names are relative and stay inside their folder.

A manifest's names start at its own folder, so that a data folder can be moved whole. Where recordings are elsewhere (a copy
of AudioSet on another disk), the reader's caller, never the manifest, names the folder that may be used: with
`elsewhere={"AudioSet": "/data/AudioSet"}` the name "AudioSet/eval/audio/Y1.wav" is looked for below /data/AudioSet. Names
that are absolute, climb with "..", look like a URL, or reach out of their folder through a symbolic link are refused in
either case.
"""

import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from spatial_llm.audio.limits import DEFAULT_LIMITS, AudioLimits
from spatial_llm.errors import ManifestError
from spatial_llm.files import below, leads_out, sha256_of

SHOWN = 20  # files named in one error


@dataclass(frozen=True)
class DataRoot:
    """The folder that a manifest's names start from; the folders elsewhere that its caller allows, by the first part of
    the names they hold; and the limits of the recordings there."""

    folder: Path
    elsewhere: Mapping[str, Path] = field(default_factory=dict)
    limits: AudioLimits = DEFAULT_LIMITS

    @classmethod
    def of(cls, root: "DataRoot | str | Path") -> "DataRoot":
        """Returns `root` itself, or the root that is this folder and nothing else."""
        return root if isinstance(root, DataRoot) else cls(Path(root))

    def path(self, name: str) -> Path:
        """Returns the path of a name, without checking that it exists. Raises ManifestError if it leads out of its
        folder."""
        first, _, rest = name.partition("/")
        if first in self.elsewhere and not leads_out(name):
            return below(self.elsewhere[first], rest)
        return below(self.folder, name)


@dataclass(frozen=True)
class FileFacts:
    """Facts about a file when the manifest was written: its size, and the SHA-256 of its bytes if computed."""

    bytes: int
    sha256: str | None = None


class FileCheck:
    """Looks for the files of one record after the other, and at the end reports all that are missing or changed.

    It remembers only the names of those, and of files whose bytes were compared.

    Args:
        root: where the names start.
        look: False only checks that names stay inside, for work that needs no files.
    """

    def __init__(self, root: DataRoot, look: bool = True) -> None:
        self.root, self.look = root, look
        self.problems: dict[str, str] = {}  # by name of the file
        self._verified: set[tuple[str, FileFacts]] = set()

    def add(self, where: str, field: str, name: str, facts: FileFacts | None = None) -> bool:
        """Looks for one file (or folder). `where` is file:line. Returns whether it is there as described.

        Raises:
            ManifestError: the name leads out of its folder.
        """
        # Scenes are whole data folders of ours: their banks and sounds lie beside the manifest, never elsewhere.
        root = DataRoot(self.root.folder) if field.startswith("scene.") else self.root
        try:
            path = root.path(name)
        except ManifestError as error:
            raise ManifestError(f"{where}: {field} {error}") from None
        if not self.look:
            return True
        if name in self.problems:
            return False
        problem = self._problem(path, name, facts, folder=field.endswith(("bank", "sounds")))
        if problem is not None:
            self.problems[name] = f"{where}: {field} {name!r}: {problem}"
        return problem is None

    def _problem(self, path: Path, name: str, facts: FileFacts | None, folder: bool) -> str | None:
        try:
            found = path.stat()
        except OSError:
            return "is not there"
        if not (stat.S_ISDIR if folder else stat.S_ISREG)(found.st_mode):
            return f"is no {'folder' if folder else 'regular file'}"
        if facts is None or (name, facts) in self._verified:
            return None
        if found.st_size != facts.bytes:
            return f"has {found.st_size} bytes, had {facts.bytes} when the manifest was written"
        if facts.sha256 is not None:
            if sha256_of(path) != facts.sha256:
                return "has another SHA-256 than when the manifest was written"
            self._verified.add((name, facts))
        return None

    def finish(self) -> None:
        """Raises ManifestError with the number and the first names of all files that are missing or changed."""
        if self.problems:
            shown = "".join(f"\n  {problem}" for problem in list(self.problems.values())[:SHOWN])
            more = f"\n  and {len(self.problems) - SHOWN} more" if len(self.problems) > SHOWN else ""
            raise ManifestError(
                f"{self.root.folder}: {len(self.problems)} files are missing or changed; the whole data folder is needed, "
                f"or say where its parts lie (audio_root, reverb_root; see data.paths):{shown}{more}"
            )
