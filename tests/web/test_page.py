"""The page's files: nothing from outside, nothing inline, no text taken for HTML."""

import hashlib
import re

import pytest

from bpstream.web.guard import STATIC

VENDOR = STATIC / "vendor"
FILES = {
    file.name: file.read_text("utf-8")
    for file in STATIC.iterdir()
    if file.suffix in (".html", ".js", ".css", ".svg")
}
PAGES = [name for name in FILES if name.endswith(".html")]
SCRIPTS = [name for name in FILES if name.endswith(".js")]
STYLES = [name for name in FILES if name.endswith(".css")]
SERVED = {file.relative_to(STATIC).as_posix() for file in STATIC.rglob("*") if file.is_file()}


def test_every_file_is_looked_at():
    assert {each for each in SERVED if "/" not in each} == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_a_file_names_no_other_host(name):
    addresses = set(re.findall(r"(?:https?:)?//[\w.-]+\.[\w./-]+", FILES[name]))
    assert addresses <= {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_script_or_style_of_its_own(name):
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]* src=)", FILES[name])


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_puts_text_in_as_text(name):
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|\.style\b"
    assert not re.search(forbidden, FILES[name])


@pytest.mark.parametrize("name", [*PAGES, *SCRIPTS, *STYLES])
def test_what_a_file_loads_is_there(name):
    found = re.findall(
        r'(?:src|href)="/(?:static/)?([\w./]+)"|from "\./([\w./]+)"|url\("/static/([\w./]+)"\)',
        FILES[name],
    )
    loaded = {part for parts in found for part in parts if part}
    assert loaded <= SERVED


def test_every_element_that_a_script_looks_for_is_there():
    looked_for = r'(?:byId|ById|panel)\("([\w-]+)"'
    wanted = {each for name in SCRIPTS for each in re.findall(looked_for, FILES[name])}
    assert wanted <= set(re.findall(r'\bid="([\w-]+)"', FILES["index.html"]))


def test_the_page_says_that_it_is_not_a_medical_device():
    assert "Not a medical device." in FILES["index.html"]


def test_what_others_wrote_stands_beside_its_licence_as_it_was_published():
    told = (VENDOR / "VERSIONS.txt").read_text("utf-8")
    sums = {name: found for found, name in re.findall(r"^  ([0-9a-f]{64})  (\S+)$", told, re.M)}
    licences = set(re.findall(r"\S+\.LICENSE", told))
    there = {file.name: file for file in VENDOR.iterdir()}
    assert there.keys() == sums.keys() | licences | {"VERSIONS.txt"}
    for name, found in sums.items():
        assert hashlib.sha256(there[name].read_bytes()).hexdigest() == found
