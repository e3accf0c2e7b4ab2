"""`python -m tests.bench.stages`: what a reading costs the worker, stage by stage.

py-spy looks at the worker that the benchmark measures, a thousand times a second, wherever it
holds the interpreter; the shares are of the CPU that the same worker took, unwatched.
"""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.job import NoResult
from tests.bench.peer import Task, ask, command
from tests.bench.running import table_by_patients
from tests.bench.topics import Topics

_WORKER = "tests.bench.bpstream_worker"
_ENDS_WITHIN = 600.0  # seconds

STAGES = {
    "fetch: aiokafka, Faust": ("aiokafka/consumer/", "aiokafka/conn.py", "faust/"),
    "the chunk as columns": ("rekey.py",),
    "parse": ("bpstream/fhir/",),
    "alarms: rules and lines": ("bpstream/alarms.py", "bpstream/raised.py", "clinical/alarms.py"),
    "alarms: to the topic, the log": ("stream/alerts.py",),
    "history, features": ("bpstream/histories.py",),
    "judge: rules, risk, early warnings": ("bpstream/judging.py",),
    "documents": ("bpstream/encoding.py",),
    "what is known of patients": ("bpstream/memory.py", "bpstream/patients.py"),
    "the rest of the pipeline": ("bpstream/pipeline.py", "bpstream/corrections.py"),
    "store: table, changelog, counts": ("stream/storing.py", "bpstream/merging.py"),
    "let go of what is stored": ("stream/lanes.py",),
    "produce: aiokafka": ("aiokafka/producer/",),
}
"""By name, parts of the paths of files: a sample is of the stage that its innermost known frame
is of."""
OTHER = "the loop, and what else there is"

_STARTING = ("_find_and_load", "_default_start")
"""Of a stack: what imports, and what starts the services of the worker."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit status is 1 where there is no result."""
    return table_by_patients("tests.bench.stages", __doc__, _measure, arguments)


def _measure(topics: Topics, topic: str, readings: int) -> dict[str, float]:
    cpu = ask(_WORKER, Task(topics.kafka, topic, f"{topic}-alone", readings)).cpu
    seen = _watched(Task(topics.kafka, topic, f"{topic}-watched", readings))
    rows = {stage: cpu * seen[stage] / seen.total() for stage in (*STAGES, OTHER)}
    return {**rows, "all": cpu}


def _watched(task: Task) -> Counter[str]:
    """Samples by stage, of the time between the worker's imports and its end."""
    with TemporaryDirectory() as folder:
        raw = Path(folder) / "samples"
        spy = str(Path(sys.executable).with_name("py-spy"))
        recording = [spy, "record", "--gil", "--rate", "1000", "--format", "raw"]
        recording += ["--output", str(raw), "--", *command(_WORKER, task)]
        done = subprocess.run(recording, capture_output=True, timeout=_ENDS_WITHIN, check=False)
        if done.returncode or not raw.exists():
            raise NoResult(f"py-spy: {done.stderr.decode(errors='replace')[-500:]}")
        return by_stage(raw.read_text())


def by_stage(samples: str) -> Counter[str]:
    """How many samples are of each stage, once it runs; `samples` as py-spy writes them, raw."""
    found = Counter[str]()
    for line in samples.splitlines():
        stack, _, count = line.rpartition(" ")
        if "run_forever" in stack and not any(each in stack for each in _STARTING):
            found[_stage(stack)] += int(count)
    return found


def _stage(stack: str) -> str:
    for frame in reversed(stack.split(";")):
        file = re.search(r"\((.*?)(:\d+)?\)$", frame)
        for stage, parts in STAGES.items():
            if file and any(part in file[1] for part in parts):
                return stage
    return OTHER


if __name__ == "__main__":
    sys.exit(main())
