"""The programs that the bench is made of: finds the compiler and nginx, builds our C sources."""

import os
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
BUILD = HERE / "build"
COMPILE_S_MAX = 60
APT_PACKAGES = {"cc": "gcc libc6-dev", "nginx": "nginx-light", "taskset": "util-linux"}
_SBIN = ("/usr/sbin", "/usr/local/sbin", "/sbin")  # Debian keeps nginx where a user's PATH does not look


class MissingTool(Exception):
    """A program that the machine lacks; the message has the line that installs it."""


def find_tool(name: str) -> str:
    """The program's path. Raises MissingTool."""
    path = shutil.which(name) or shutil.which(name, path=os.pathsep.join(_SBIN))
    if path is None:
        raise MissingTool(f"The bench needs {name}: apt-get install {APT_PACKAGES[name]}")
    return path


def build(name: str, folder: Path = BUILD, flags: tuple[str, ...] = ("-O2",)) -> Path:
    """Compile one of our programs, unless the one that is there is newer than its sources. Raises MissingTool."""
    sources = [HERE / f"{name}.c", HERE / "common.h"]
    program = folder / name
    if program.exists() and program.stat().st_mtime > max(source.stat().st_mtime for source in sources):
        return program
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / f"{name}.{os.getpid()}"  # moved into place whole: several test processes may build at once
    command = [find_tool("cc"), *flags, "-std=gnu11", "-Wall", "-Wextra", "-o", str(made), str(sources[0])]
    subprocess.run(command, check=True, timeout=COMPILE_S_MAX)
    made.replace(program)
    return program
