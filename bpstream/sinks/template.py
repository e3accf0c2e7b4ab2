"""The index template in Elasticsearch, and the fields of the months that exist already."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from bpstream.errors import StartError
from bpstream.jsondiff import Difference, differences
from bpstream.sinks import answers
from bpstream.sinks.client import ApiError, AsyncElasticsearch, NotFoundError, TransportError
from bpstream.sinks.mapping import PROPERTIES, index_template

Answer = TypeVar("Answer")


class Template:
    """Installs what the indices of `alias` are made by.

    Its methods raise :class:`SinkError` if Elasticsearch is away, and :class:`StartError` if
    it refuses us.
    """

    def __init__(self, client: AsyncElasticsearch, alias: str) -> None:
        self._client, self._alias = client, alias
        self._url = client.transport.node_pool.all()[0].base_url

    async def compare(self) -> tuple[list[Difference] | None, list[Difference]]:
        """Where the template differs from ours (None: there is none), and where the months do."""
        return await self._told(self._compare)

    async def install(self) -> None:
        """Install the template, and give its fields to the months that exist already.

        Changes nothing the second time.  Raises :class:`StartError` also if another template
        or index stands in the way.
        """
        await self._told(self._install)

    async def _compare(self) -> tuple[list[Difference] | None, list[Difference]]:
        indices, alias = self._client.indices, self._alias
        try:
            found = await indices.get_index_template(name=alias, flat_settings=True)
            template = found["index_templates"][0]["index_template"]
            differing = differences(_as_told(index_template(alias)), template)
        except NotFoundError:
            differing = None
        mappings = await indices.get_mapping(index=f"{alias}-*")
        wanted = {"dynamic": "strict", "properties": PROPERTIES}
        months = {name: each["mappings"] for name, each in mappings.items()}
        # A field that only the month has stays there: it cannot be taken out.
        for month in months.values():
            known = month.get("properties", {})
            month["properties"] = {name: known[name] for name in PROPERTIES if name in known}
        return differing, differences(dict.fromkeys(months, wanted), months)

    async def _install(self) -> None:
        indices, alias = self._client.indices, self._alias
        there = await indices.get_alias(index=f"{alias},{alias}-*", ignore_unavailable=True)
        if alias in there.body:
            raise StartError(
                f"{self._url} has an index named {alias}, where the alias belongs: "
                f"delete it, or choose another name"
            )
        await indices.put_index_template(name=alias, **index_template(alias))
        simulated = await indices.simulate_index_template(name=f"{alias}-2010.01")
        template = simulated["template"]
        strict = template.get("mappings", {}).get("dynamic") == "strict"
        if not strict or alias not in template.get("aliases", {}):
            raise StartError(
                f"{self._url} has an index template that comes before {alias}: "
                f"lower its priority, or keep its patterns from {alias}-*"
            )
        if there.body:
            await indices.put_mapping(index=f"{alias}-*", dynamic="strict", properties=PROPERTIES)

    async def _told(self, work: Callable[[], Awaitable[Answer]]) -> Answer:
        """What `work` gives, with Elasticsearch's errors as ours."""
        try:
            return await work()
        except (ApiError, TransportError) as error:
            login = answers.login_of(self._client)
            raise answers.failure(error, url=self._url, login=login) from error


def _as_told(template: dict[str, Any]) -> dict[str, Any]:
    """The template as Elasticsearch tells it: settings by their full name, and as text."""
    made = template["template"]
    settings = {f"index.{name}": str(value) for name, value in made["settings"].items()}
    return {**template, "template": {**made, "settings": settings}}
