"""The peers: which programs do the job, and in which environment each is run."""

import re
import sys
from pathlib import Path
from typing import NamedTuple

from tests.bench.report import BPSTREAM

_FOLDER = Path(__file__).parent
_ROOT = _FOLDER.parents[1]
_SLOW = 5
"""A slow peer gets one in so many of the readings; the table says how many that is."""
OTHERS = _ROOT / ".venv-peers" / "bin" / "python"
"""Of the frameworks that need other versions of our own libraries; `make bench` makes it."""
_LOCK = _FOLDER / "requirements.lock"


class Peer(NamedTuple):
    """A program that does the job, and its share of the readings."""

    name: str
    module: str
    one_in: int = 1
    python: Path = Path(sys.executable)


ALL = (
    Peer("original", "tests.bench.original", _SLOW),
    Peer("plain Faust", "tests.bench.plain_faust", _SLOW),
    Peer("Faust Table", "tests.bench.faust_table", _SLOW),
    Peer("Quix Streams", "tests.bench.quix_streams", _SLOW, OTHERS),
    Peer("Bytewax", "tests.bench.bytewax_flow", _SLOW, OTHERS),
    Peer("bare loop", "tests.bench.bare_loop"),
    Peer(BPSTREAM, "tests.bench.bpstream_worker"),
    Peer("uncompiled", "tests.bench.bpstream_uncompiled"),
    Peer("in memory", "tests.bench.in_memory"),
)

STORING = (
    Peer("original", "tests.bench.original_sinks", _SLOW),
    Peer(BPSTREAM, "tests.bench.bpstream_segments"),
    Peer(f"{BPSTREAM}, files", "tests.bench.bpstream_files", _SLOW),
)
"""Those that do the whole job, with real stores."""


def present() -> list[Peer]:
    """The peers whose environment is there."""
    return [peer for peer in ALL if peer.python.exists()]


def versions() -> dict[str, str]:
    """Of the frameworks in the other environment, as they are locked."""
    locked = dict(re.findall(r"^([\w-]+)==([\w.]+)", _LOCK.read_text(), re.MULTILINE))
    return {name: locked[name] for name in ("quixstreams", "bytewax")}
