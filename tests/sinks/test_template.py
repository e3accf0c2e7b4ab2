"""The index template on a real node: what is told of one that is not ours, and what is changed."""

from copy import deepcopy

import pytest
from elasticsearch import AsyncElasticsearch

from bpstream.sinks.mapping import index_template
from bpstream.sinks.template import Template

pytestmark = pytest.mark.services


@pytest.fixture
def template(node: AsyncElasticsearch, alias: str) -> Template:
    return Template(node, alias)


async def told(template: Template) -> tuple[list[str] | None, list[str]]:
    differing, of_months = await template.compare()
    words = None if differing is None else list(map(str, differing))
    return words, list(map(str, of_months))


async def test_a_template_is_missing_and_then_as_it_should_be(template):
    assert await told(template) == (None, [])
    await template.install()
    assert await told(template) == ([], [])


async def test_what_a_person_changed_in_the_template_is_told_and_changed_back(
    template, node, alias
):
    await template.install()
    theirs = deepcopy(index_template(alias))
    theirs["priority"] = 501
    theirs["template"]["settings"]["auto_expand_replicas"] = "0-2"
    await node.indices.put_index_template(name=alias, **theirs)
    assert await told(template) == (
        [
            "priority: 501 instead of 500",
            'template.settings.index.auto_expand_replicas: "0-2" instead of "0-1"',
        ],
        [],
    )
    await template.install()
    assert await told(template) == ([], [])


async def test_a_month_that_lacks_a_field_is_told_and_gets_it(template, node, alias):
    older = deepcopy(index_template(alias))
    del older["template"]["mappings"]["properties"]["pulse_pressure"]
    # One that only that month has stays there, and is no difference.
    older["template"]["mappings"]["properties"]["shoe_size"] = {"type": "long"}
    await node.indices.put_index_template(name=alias, **older)
    await node.indices.create(index=f"{alias}-2026.01")
    lacking = 'properties.pulse_pressure: nothing instead of {"type": "double"}'
    assert await told(template) == (
        [
            f"template.mappings.{lacking}",
            'template.mappings.properties.shoe_size: {"type": "long"} instead of nothing',
        ],
        [f"{alias}-2026.01.{lacking}"],
    )
    await template.install()
    assert await told(template) == ([], [])
