"""`make bundle`: one archive with all wheels, the default model and their checksums; it installs without any network.

Run from a source checkout: `python -m waystation.cli.bundle FOLDER`. The wheels fit this machine's Python and system.
"""

import hashlib
import platform
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from waystation import __version__
from waystation.cli.common import CommandError, settings_of
from waystation.cli.progress import pull_with_progress
from waystation.engine.model import DEFAULT_CHAT_FILE
from waystation.engine.sources import ModelMissing

# The model and the wheels are compressed already: a higher level costs minutes and saves nothing.
COMPRESSION = 1

INSTALL = """\
#!/bin/sh
# Installs Waystation {version} without a network: ./install.sh [FOLDER]   (default: ~/waystation)
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
folder=${{1:-$HOME/waystation}}
python=${{PYTHON:-python3}}
models=${{WAYSTATION_MODELS:-${{XDG_CACHE_HOME:-$HOME/.cache}}/waystation/models}}

found=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || echo none)
if [ "$found" != "{python}" ]; then
  echo "This bundle was made for Python {python}; $python is $found. Name another: PYTHON=python{python} $0" >&2
  exit 1
fi
if [ "$(uname -s) $(uname -m)" != "{system}" ]; then
  echo "This bundle was made for {system}; this machine is $(uname -s) $(uname -m)." >&2
  exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  echo "Python's venv module is missing. On Debian or Ubuntu: apt install python{python}-venv" >&2
  exit 1
fi

echo "Checking the files ..."
(cd "$here" && sha256sum --quiet -c SHA256SUMS)
echo "Installing into $folder ..."
"$python" -m venv "$folder"
"$folder/bin/python" -m pip install -q --disable-pip-version-check --no-index \\
  --find-links "$here/wheels" "waystation[engine]=={version}"
mkdir -p "$models"
if [ ! -f "$models/{model}" ]; then
  cp "$here/models/{model}" "$models/.{model}.new"
  mv "$models/.{model}.new" "$models/{model}"
fi
echo "Done. Start it with:"
echo "  $folder/bin/waystation serve"
"""

README = """\
# Waystation {version}, to install without a network

For {system} and Python {python}. Unpack it on the machine that has no network and run:

    ./install.sh                 # into ~/waystation; or name a folder: ./install.sh /opt/waystation
    ~/waystation/bin/waystation serve

`wheels/` has Waystation and everything that it needs, `models/` the default model ({model}, {licence}),
`SHA256SUMS` the checksums, which install.sh verifies. The model goes to ~/.cache/waystation/models, or where
WAYSTATION_MODELS says.

# 离线安装

适用于 {system}、Python {python}。在无网络的机器上解压后执行：

    ./install.sh                 # 安装到 ~/waystation；也可指定目录：./install.sh /opt/waystation
    ~/waystation/bin/waystation serve
"""


def main(folder: Path) -> Path:
    """Make the archive in the folder; its path. Raises CommandError."""
    models = settings_of(None, None).models_folder
    folder.mkdir(parents=True, exist_ok=True)
    name = f"waystation-{__version__}-bundle"
    with TemporaryDirectory(dir=folder) as made:
        root = Path(made) / name
        (root / "models").mkdir(parents=True)
        _collect_wheels(root / "wheels")
        try:
            model = pull_with_progress(DEFAULT_CHAT_FILE, models)
        except ModelMissing as error:
            raise CommandError(str(error)) from None
        shutil.copyfile(model, root / "models" / model.name)
        _write_texts(root)
        (root / "SHA256SUMS").write_text("".join(_checksums(root)))
        archive = folder / f"{name}.tar.gz"
        new = archive.with_suffix(".new")
        with tarfile.open(new, "w:gz", compresslevel=COMPRESSION) as tar:
            tar.add(root, name)
        new.replace(archive)
    return archive


def _collect_wheels(wheels: Path) -> None:
    """Our own wheel and those of all dependencies, in the pinned versions, through the user's own pip."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "-q"]
    done = subprocess.run([*pip, "-c", "requirements.lock", "-w", str(wheels), ".[engine]"], check=False)
    if done.returncode != 0:
        raise CommandError(f"pip ended with {done.returncode}")


def _write_texts(root: Path) -> None:
    facts = {
        "version": __version__,
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "system": f"{platform.system()} {platform.machine()}",
        "model": DEFAULT_CHAT_FILE.file_name,
        "licence": DEFAULT_CHAT_FILE.licence,
    }
    (root / "install.sh").write_text(INSTALL.format(**facts))
    (root / "install.sh").chmod(0o755)
    (root / "README.md").write_text(README.format(**facts), encoding="utf-8")


def _checksums(root: Path) -> Iterator[str]:
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            yield f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.relative_to(root)}\n"


if __name__ == "__main__":
    try:
        print(main(Path(sys.argv[1])))
    except CommandError as fault:
        sys.exit(str(fault))
