"""The step of the build that compiles bpstream's loops, where there is a C compiler."""

import os
import shlex
import subprocess
import sysconfig
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import sys_tags

_FOLDER = Path("bpstream", "compiled")


class CompiledLoops(BuildHookInterface[Any]):
    """Compiles loops.c; without a compiler the wheel is one of Python alone, and slower."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before a wheel is put together, editable ones among them."""
        folder = Path(self.root) / _FOLDER
        source = folder / "loops.c"
        # bpstream/compiled/__init__.py looks for this name.
        library = folder / f"loops-{sha256(source.read_bytes()).hexdigest()[:16]}.so"
        try:
            _compile(source, library)
        except (OSError, subprocess.CalledProcessError) as error:
            why = getattr(error, "stderr", None) or error
            self.app.display_warning(f"bpstream's loops are not compiled: {why}")
            return
        for old in set(folder.glob("*.so")) - {library}:
            old.unlink()
        build_data["artifacts"].append((_FOLDER / library.name).as_posix())
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{next(sys_tags()).platform}"


def _compile(source: Path, library: Path) -> None:
    """Raises OSError without a compiler, CalledProcessError if it cannot compile this."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    # Who starts meanwhile finds the whole library or the one that was there.
    with TemporaryDirectory(dir=source.parent) as folder:
        made = Path(folder, library.name)
        command = [*compiler, "-O2", "-shared", "-fPIC", "-o", str(made), str(source)]
        subprocess.run(command, check=True, capture_output=True, text=True)
        made.replace(library)
