"""The page's files: nothing from outside, nothing inline, no text taken for HTML."""

import re

import pytest

from bpstream.web.guard import STATIC

FILES = {file.name: file.read_text("utf-8") for file in STATIC.iterdir()}
PAGES = [name for name in FILES if name.endswith(".html")]
SCRIPTS = [name for name in FILES if name.endswith(".js")]


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


@pytest.mark.parametrize("name", [*PAGES, *SCRIPTS])
def test_what_a_file_loads_is_there(name):
    loaded = re.findall(r'(?:src|href)="/(?:static/)?([\w.]+)"|from "\./([\w.]+)"', FILES[name])
    assert {first or second for first, second in loaded} <= set(FILES)


def test_every_element_the_page_looks_for_is_there():
    wanted = set(re.findall(r'byId\("(\w+)"\)', FILES["page.js"]))
    assert wanted == set(re.findall(r'\bid="(\w+)"', FILES["index.html"]))


def test_the_page_says_that_it_is_not_a_medical_device():
    assert "Not a medical device." in FILES["index.html"]
