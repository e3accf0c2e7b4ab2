"""Who may import whom: the house stands on it."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import bpstream

PACKAGE = Path(bpstream.__file__).parent

# What each part may import of the others; everything may import `errors`.
MAY_IMPORT = {
    "errors": set(),
    "reading": {"texts"},
    "document": {"clinical"},
    "documents": {"document", "jsonlines", "listed", "texts"},
    "compiled": set(),
    "jsonlines": {"compiled"},
    "listed": set(),
    "texts": {"compiled", "jsonlines", "listed"},
    "messages": {"listed"},
    "checkpoint": set(),
    "chunk": set(),
    "progress": {"checkpoint", "chunk", "reading"},
    "memory": {"clinical", "encoding", "patients", "reading", "texts"},
    "histories": {"clinical", "patients", "reading", "sequences"},
    "batch": {
        "alert",
        "checkpoint",
        "chunk",
        "copied",
        "document",
        "documents",
        "patients",
        "reading",
    },
    "copied": {"jsonlines", "texts"},
    "merging": {"batch", "copied", "documents", "pipeline"},
    "judging": {"clinical", "encoding", "histories", "reading"},
    "withdrawal": {"checkpoint", "histories", "memory", "patients"},
    "corrections": {
        "alarms",
        "alert",
        "batch",
        "checkpoint",
        "chunk",
        "copied",
        "document",
        "memory",
        "patients",
        "progress",
        "reading",
        "withdrawal",
    },
    "jsondiff": set(),
    "kibana": {"clinical", "jsondiff"},
    "ids": {"compiled", "jsonlines", "texts"},
    "patients": {"clinical", "copied", "ids", "jsonlines", "texts"},
    "sequences": {"clinical", "patients", "reading"},
    "alert": set(),
    "alarms": {
        "alert",
        "checkpoint",
        "clinical",
        "document",
        "encoding",
        "limits",
        "measuring",
        "patients",
        "raised",
        "reading",
        "telling",
    },
    "raised": {
        "alert",
        "clinical",
        "document",
        "encoding",
        "jsonlines",
        "limits",
        "listed",
        "reading",
        "rendered",
        "telling",
        "texts",
    },
    "rendered": {"jsonlines", "texts"},
    "collecting": set(),
    "telling": {"alert", "checkpoint", "clinical", "document"},
    "limits": {"clinical", "document", "person"},
    "acknowledgements": {"alert", "clinical", "document", "person"},
    "person": set(),
    "fitting": {"alert", "checkpoint", "clinical", "document", "patients", "telling"},
    "ward": {"alert", "checkpoint", "clinical", "document", "telling"},
    "release": {"alarms", "alert", "batch", "clinical"},
    "silence": {"alarms", "alert", "batch", "clinical", "patients"},
    "measuring": {"clinical", "encoding", "reading"},
    "settings": set(),
    "resources": set(),
    "schema": {"alert", "clinical", "document", "fhir", "limits", "reading"},
    "asyncapi": {"acknowledgements", "fhir", "limits", "schema", "settings", "stream"},
    "clinical": {"reading"},
    "fhir": {"compiled", "jsonlines", "messages", "reading", "texts"},
    "encoding": {"clinical", "document", "documents", "jsonlines", "reading", "rendered", "texts"},
    "pipeline": {
        "alarms",
        "batch",
        "checkpoint",
        "chunk",
        "clinical",
        "corrections",
        "documents",
        "encoding",
        "fhir",
        "histories",
        "judging",
        "memory",
        "patients",
        "progress",
        "reading",
        "texts",
    },
    "simulator": set(),
    "sinks": {"alert", "document", "documents", "jsondiff", "jsonlines", "rendered"},
    "stream": {
        "acknowledgements",
        "alarms",
        "alert",
        "batch",
        "checkpoint",
        "chunk",
        "clinical",
        "collecting",
        "compiled",
        "copied",
        "document",
        "fhir",
        "fitting",
        "histories",
        "jsonlines",
        "limits",
        "listed",
        "merging",
        "messages",
        "patients",
        "pipeline",
        "raised",
        "reading",
        "release",
        "resources",
        "settings",
        "silence",
        "simulator",
        "sinks",
        "texts",
        "ward",
    },
    "reconcile": {
        "alert",
        "batch",
        "checkpoint",
        "chunk",
        "clinical",
        "document",
        "patients",
        "pipeline",
        "reading",
        "resources",
        "settings",
        "sinks",
        "stream",
    },
    "purge": {"document", "jsonlines", "settings", "sinks", "stream"},
    "web": {"stream"},
    "training": {"clinical", "simulator"},
    "ingest": {"fhir", "reading"},
    "replay": {"document", "fhir", "reading", "sinks"},
    "commands": {
        "resources",
        "asyncapi",
        "document",
        "fhir",
        "ingest",
        "kibana",
        "purge",
        "reconcile",
        "replay",
        "schema",
        "settings",
        "simulator",
        "stream",
        "training",
        "web",
    },
    "__main__": {"commands"},
    "__init__": {"stream"},
}

ONLY_IN = {
    "faust": {"stream", "web", "commands"},
    "mode": {"stream", "web", "commands"},
    "aiokafka": {"stream"},
    "aiohttp": {"kibana", "sinks", "web"},
    "confluent_kafka": {"stream"},
    "elasticsearch": {"sinks"},
    "matplotlib": {"training"},
    "opentelemetry": {"stream"},
    "pyarrow": {"ingest", "training"},
    "sklearn": {"training"},
    "joblib": {"training"},
    "xgboost": {"training"},
    "click": {"commands", "stream"},
}


def part_of(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "bpstream":
                yield from (f"bpstream.{alias.name}" for alias in node.names)
            else:
                yield node.module


MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_what_its_part_may(path):
    part = part_of(path)
    allowed = MAY_IMPORT[part] | {"errors", part, "__version__"}
    found = {name.split(".")[1] for name in imports_of(path) if name.startswith("bpstream.")}
    assert found <= allowed


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_library_is_imported_only_where_it_belongs(path):
    part = part_of(path)
    for name in imports_of(path):
        library = name.split(".")[0]
        assert part in ONLY_IN.get(library, {part}), f"{part} imports {library}"


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if part_of(path) not in {"settings", "commands", "stream"}],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_only_the_edge_reads_the_environment(path):
    assert not {"os.environ", "os.getenv"} & {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }


def test_the_worker_that_serves_never_imports_what_it_can_do_without():
    script = (
        "import sys, bpstream.stream.app, bpstream.web.server\n"
        "never = {'sklearn', 'scipy', 'joblib', 'xgboost', 'matplotlib', 'pyarrow', 'pandas'}\n"
        "never |= {'opentelemetry', 'google.protobuf', 'requests'}\n"
        "print(*sorted(never & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
