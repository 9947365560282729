"""The official SDKs in the versions that the FAQ's readers have, each in its own environment, made once and kept."""

import fcntl
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
NODE_PACKAGE = Path(__file__).parent / "node"  # package.json and package-lock.json: what `npm ci` installs
INSTALL_S = 900.0  # some bring hundreds of megabytes along

# Beside the one that the tests themselves have. aiohttp is what the FAQ's batch sample imports; 0.28 brings it along.
PYTHON_SDKS = {
    "openai-1.109.1": ("openai==1.109.1", "aiohttp==3.14.5"),
    "openai-0.28.1": ("openai==0.28.1", "aiohttp==3.14.5"),
}
# What other providers give out for their own APIs, to prove what we send them and what we read: for the slow tests.
PROVIDERS_SDKS = {
    "anthropic-2.13.0": ("anthropic==2.13.0",),
    "boto3-1.44.8": ("boto3==1.44.8",),
    "dashscope-2.0.2": ("dashscope==2.0.2",),
    "google-genai-3.6.1": ("google-genai==3.6.1",),
}


def python_with(name: str) -> Path:
    """The interpreter of the environment `name`."""
    return installed(CACHE / "sdk-envs" / name, (PYTHON_SDKS | PROVIDERS_SDKS)[name]) / "bin" / "python"


def installed(folder: Path, packages: tuple[str, ...]) -> Path:
    """The folder, as an environment that has these packages."""
    with _made_once(folder, "\n".join(packages)) as is_new:
        if is_new:
            # Without pip of its own: Debian's Python has no ensurepip, and the pip that runs the tests can serve both.
            venv.create(folder, with_pip=False, clear=True)
            interpreter = str(folder / "bin" / "python")
            _run([sys.executable, "-m", "pip", "--python", interpreter, "install", "-q", *packages])
    return folder


def node_path() -> Path:
    """The folder that NODE_PATH has to name for `require('openai')`."""
    return npm_installed(CACHE / "node", NODE_PACKAGE)


def npm_installed(folder: Path, package: Path) -> Path:
    """The node_modules of a package.json with its lock file."""
    with _made_once(folder, (package / "package-lock.json").read_text()) as is_new:
        if is_new:
            folder.mkdir(parents=True, exist_ok=True)
            for file in package.iterdir():
                shutil.copy(file, folder)
            _run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder)])
    return folder / "node_modules"


def node_is_missing() -> bool:
    return shutil.which("node") is None or shutil.which("npm") is None


@contextmanager
def _made_once(folder: Path, wanted: str) -> Iterator[bool]:
    """True for the one who has to make what is `wanted`; it is marked as made only when that has ended well."""
    marker = folder / "complete"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs may meet here
        is_new = not marker.exists() or marker.read_text() != wanted
        yield is_new
        if is_new:
            marker.write_text(wanted)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}{done.stderr}")
