"""The docs as the tests read them: their text, what is marked as code, and their tables."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = {
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
    for path in (
        *sorted(ROOT.glob("*.md")),
        *sorted((ROOT / "docs").glob("*.md")),
        ROOT / "models" / "README.md",
    )
}
DOCS = "\n".join(text for name, text in FILES.items() if name != "CHANGELOG.md")
"""All but what tells of earlier versions."""

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
_SPAN = re.compile(r"`([^`]+)`")


def spans(text: str) -> list[str]:
    """What stands between backticks in prose and tables, its line breaks taken out."""
    prose = _FENCE.sub("", text)
    return [" ".join(each.split()) for each in _SPAN.findall(prose)]


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return [body for found, body in _FENCE.findall(text) if found == language]


def entered(text: str) -> list[str]:
    """The lines a person types in console blocks; a comment behind one is left out."""
    lines = []
    for block in blocks(text, "console"):
        for line in block.replace("\\\n>", " ").splitlines():
            if line.startswith(("$ ", "> ")):
                lines.append(re.split(r"(?:^|\s)#\s", line[2:])[0].strip())
    return lines


def rows(text: str) -> list[list[str]]:
    """The cells of every row of every table."""
    found = re.findall(r"^\|(.*)\|$", text, re.M)
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)] for row in found]


def anchors(text: str) -> set[str]:
    """The anchors of the headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", _FENCE.sub("", text), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links(text: str) -> list[str]:
    """Where the links and pictures lead."""
    return re.findall(r"\]\(([^)\s]+)\)", _FENCE.sub("", text))
