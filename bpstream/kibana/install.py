"""Makes a Kibana hold what belongs to bpstream there, and tells what it did."""

from collections.abc import AsyncIterator

from bpstream.errors import StartError
from bpstream.jsondiff import Difference, differences
from bpstream.kibana.client import Kibana
from bpstream.kibana.compare import of_held, of_saved
from bpstream.kibana.ids import Ids
from bpstream.kibana.outcome import Outcome, Verdict
from bpstream.kibana.rules import Held, connector, rules
from bpstream.kibana.saved import SavedObject
from bpstream.kibana.views import saved_objects


async def install(
    kibana: Kibana, alias: str, *, keep: bool, dry_run: bool
) -> AsyncIterator[Outcome]:
    """Yield what became of each object, the referred-to first.

    What a person changed is as bpstream has it again afterwards, but with `keep`.  With
    `dry_run` nothing is changed, and the outcomes are those that would be.  Raises as
    :class:`Kibana` does; doing it again after that goes on where it ended.
    """
    ids = Ids(alias, kibana.space)
    installer = _Installer(kibana, keep=keep, dry_run=dry_run)
    for outcome in await installer.save(saved_objects(ids)):
        yield outcome
    yield await installer.hold(connector(ids), "connector", "/api/actions/connector")
    for rule in rules(ids):
        yield await installer.hold(rule, "rule", "/api/alerting/rule")


class _Installer:
    def __init__(self, kibana: Kibana, *, keep: bool, dry_run: bool) -> None:
        self._kibana, self._keep, self._dry_run = kibana, keep, dry_run

    async def save(self, objects: list[SavedObject]) -> list[Outcome]:
        """Import those of the objects that are missing or not as they should be, at once."""
        outcomes, lacking = [], []
        for each in objects:
            found = await self._kibana.saved(each["type"], each["id"])
            differing = [] if found is None else differences(of_saved(each), of_saved(found))
            verdict = self._verdict(found, differing)
            if verdict in (Verdict.CREATED, Verdict.CHANGED):
                lacking.append(each)
            title = each["attributes"]["title"]
            outcomes.append(Outcome(verdict, _KINDS[each["type"]], title, differing))
        if lacking and not self._dry_run:
            await self._kibana.save(lacking)
        return outcomes

    async def hold(self, wanted: Held, kind: str, folder: str) -> Outcome:
        """Make or change a connector or a rule."""
        path = f"{folder}/{wanted.id}"
        found = await self._kibana.find(path)
        if found is None and not self._dry_run and not await self._kibana.create(path, wanted.body):
            # Somebody was faster, or the answer to our own request was lost.
            found = await self._kibana.find(path)
            if found is None:
                raise StartError(
                    f"{self._kibana.url} has the {kind} {wanted.name} ({wanted.id}) "
                    "in another space"
                )
        differing = [] if found is None else differences(of_held(wanted.body), of_held(found))
        verdict = self._verdict(found, differing)
        if verdict is Verdict.CHANGED and not self._dry_run:
            await self._change(wanted, kind, path, {each.path for each in differing})
        return Outcome(verdict, kind, wanted.name, differing)

    def _verdict(self, found: object, differing: list[Difference]) -> Verdict:
        if found is None:
            return Verdict.CREATED
        if not differing:
            return Verdict.LEFT
        return Verdict.KEPT if self._keep else Verdict.CHANGED

    async def _change(self, wanted: Held, kind: str, path: str, differing: set[str]) -> None:
        fixed = differing & _FIXED
        if fixed:
            raise StartError(
                f"{self._kibana.url} has another {kind} as {wanted.id}: its {min(fixed)} cannot "
                "be changed; delete it there"
            )
        if differing - {"enabled"}:
            body = {name: wanted.body[name] for name in wanted.body if name not in _NOT_IN_A_CHANGE}
            await self._kibana.change(path, body)
        if "enabled" in differing:
            await self._kibana.call(f"{path}/_enable")


_KINDS = {"index-pattern": "data view", "search": "search", "dashboard": "dashboard"}

# What a rule or a connector is for good, and what Kibana's PUT does not take.
_FIXED = frozenset({"rule_type_id", "consumer", "connector_type_id"})
_NOT_IN_A_CHANGE = _FIXED | {"enabled"}
