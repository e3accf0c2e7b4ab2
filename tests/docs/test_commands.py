"""What the docs say to enter can be entered: commands, options, make targets, modules, files."""

import re
from collections.abc import Iterator
from importlib.util import find_spec

import click
import pytest

from bpstream.commands import cli
from tests.docs.text import FILES, ROOT, anchors, entered, links, rows, spans

MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.M)[1].split()
TOLD = {name: text for name, text in FILES.items() if name != "CHANGELOG.md"}
ENTERED = [(name, line) for name, text in TOLD.items() for line in entered(text)]
SPANS = [(name, span) for name, text in TOLD.items() for span in spans(text)]


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command and sub-command, by what is entered."""
    for name, each in sorted(cli.commands.items()):
        yield f"bpstream {name}", each
        if isinstance(each, click.Group):
            for inner in sorted(each.commands):
                yield f"bpstream {name} {inner}", each.commands[inner]


COMMANDS = dict(commands())
# A command, and what is written behind it up to the next one.
CALLED = re.compile(r"(?<![\w/=-])bpstream ((?:(?! && |\bbpstream ).)*)")


def problem(call: str) -> str | None:
    """What is wrong with `bpstream CALL`; None where it could be entered."""
    words = re.split(r"[\s|]+", call)
    if words[0].startswith("-"):
        return None
    name = f"bpstream {words.pop(0)}"
    if name not in COMMANDS:
        return f"{name} is no command"
    command = COMMANDS[name]
    if isinstance(command, click.Group) and words and re.fullmatch(r"[a-z][a-z-]*", words[0]):
        name = f"{name} {words.pop(0)}"
        if name not in COMMANDS:
            return f"{name} is no command"
        command = COMMANDS[name]
    known = {"--help"} | {
        option for each in command.params for option in (*each.opts, *each.secondary_opts)
    }
    wrong = [word for word in words if re.fullmatch(r"--?[a-z][a-z-]*", word) and word not in known]
    return f"{name} has no {', '.join(wrong)}" if wrong else None


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(name):
    told = {span for _, span in SPANS} | {line for _, line in ENTERED}
    assert any(re.search(rf"(?<![\w-]){name}(?![\w-])", each) for each in told)


def test_every_command_is_in_the_table_of_commands():
    table = {
        spans(row[0])[0] for row in rows(FILES["README.md"]) if row[0].startswith("`bpstream ")
    }
    assert table == {name for name in COMMANDS if len(name.split()) == 2}


@pytest.mark.parametrize(
    "row", [row for row in rows(FILES["README.md"]) if len(row) == 2], ids=lambda row: row[0]
)
def test_the_options_and_sub_commands_of_the_table_exist(row):
    if row[0].strip("`") not in COMMANDS:
        return
    command = COMMANDS[row[0].strip("`")]
    for span in spans(row[1]):
        for option in re.findall(r"--[a-z-]+", span):
            assert problem(f"{row[0].strip('`').split()[1]} {option}") is None
        if isinstance(command, click.Group) and re.fullmatch(r"[a-z-]+", span):
            assert span in command.commands


@pytest.mark.parametrize(("name", "line"), ENTERED, ids=str)
def test_what_is_entered_calls_commands_and_options_that_exist(name, line):
    assert [found for call in CALLED.findall(line) if (found := problem(call))] == []
    for target in re.findall(r"(?:^|&& )make ([a-z][a-z-]*)", line):
        assert target in TARGETS


@pytest.mark.parametrize(
    ("name", "span"),
    [each for each in SPANS if re.match(r"(?:BPSTREAM_\S+ )*(?:bpstream|make) [a-z]", each[1])],
    ids=str,
)
def test_a_command_in_the_text_exists(name, span):
    assert [found for call in CALLED.findall(span) if (found := problem(call))] == []
    if target := re.match(r"make ([a-z-]+)", span):
        assert target[1] in TARGETS


@pytest.mark.parametrize(
    ("call", "what"),
    [
        ("simulat --count 1", "bpstream simulat is no command"),
        ("alerts acknowledge ID", "bpstream alerts acknowledge is no command"),
        ("simulate --counts 1", "bpstream simulate has no --counts"),
        ("alerts ack ID --by Ann", None),
        ("ingest --no-resume PATH", None),
    ],
)
def test_a_call_that_cannot_be_is_seen(call, what):
    assert problem(call) == what


def test_every_make_target_says_what_it_does_and_is_told():
    told = "\n".join(TOLD.values())
    for target in TARGETS:
        assert re.search(rf"^{target}:.*## \S", MAKEFILE, re.M), target
    for target in {*TARGETS} - {"help", "clean"}:
        assert f"make {target}" in told, target


def test_a_module_that_is_run_exists():
    text = "\n".join(TOLD.values())
    modules = set(re.findall(r"python -m (tests[\w.]*)", text))
    assert modules
    assert [each for each in modules if find_spec(each) is None] == []


# By `make up`, and never in git.
MADE = {"compose/.env"}
ROOTED = re.compile(
    r"(?:bpstream|tests|compose|dashboards|docs|models)/[\w./-]+|[\w-]+\.(?:toml|lock)|\.ci/run"
)


@pytest.mark.parametrize("name", TOLD)
def test_a_file_that_is_named_exists(name):
    for span in spans(TOLD[name]):
        if ROOTED.fullmatch(span) and span not in MADE:
            assert (ROOT / span).exists(), span


@pytest.mark.parametrize("name", TOLD)
def test_a_module_that_is_named_exists(name):
    for span in spans(TOLD[name]):
        if re.fullmatch(r"[\w/]+\.py", span):
            there = [
                ROOT.glob(f"{folder}/**/{span}") for folder in ("bpstream", "tests", "compose")
            ]
            assert (ROOT / span).exists() or any(map(list, there)), span


@pytest.mark.parametrize("name", FILES)
def test_a_link_leads_somewhere(name):
    folder = (ROOT / name).parent
    for link in links(FILES[name]):
        if link.startswith("http"):
            continue
        path, _, anchor = link.partition("#")
        target = (folder / path).resolve() if path else ROOT / name
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text("utf-8")), link


def test_every_page_is_one_click_from_the_readme():
    linked = {link.partition("#")[0] for link in links(FILES["README.md"])}
    assert {name for name in FILES if name != "README.md"} <= linked
