"""The comparison: one pass over the changelog, the topic, the index and the archive each.

It looks beside the workers and changes nothing.  The changelog is read first: what the workers
do meanwhile lies beyond its checkpoints, and is told as being on its way.
"""

from collections.abc import Mapping
from typing import NamedTuple

from bpstream.reconcile import differences, sent, state
from bpstream.reconcile.differences import Difference, Terms, Totals
from bpstream.reconcile.held import Stores
from bpstream.reconcile.ledger import Ledger
from bpstream.reconcile.progress import Progress
from bpstream.reconcile.repair import Repair, Repaired
from bpstream.reconcile.sent import Judge
from bpstream.settings import Settings
from bpstream.sinks import purges
from bpstream.sinks.segment_repair import rewriting
from bpstream.stream.reader import Reader


class Comparison(NamedTuple):
    """What was found."""

    totals: Totals
    examples: Mapping[str, list[Difference]]
    """A few of each kind."""
    elsewhere: int
    """Documents of other topics in the stores."""
    counters: bool
    """Whether the counters could be compared: the changelog has its beginning."""

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not self.totals.differences


class Reconciler:
    """Compares, and repairs what it found."""

    def __init__(self, settings: Settings, reader: Reader, progress: Progress) -> None:
        self._settings, self._reader, self._progress = settings, reader, progress
        self._judge = Judge(settings)

    def compare(self, *, show: int) -> Comparison:
        """Compare once, and keep `show` examples of each kind of difference.

        Raises :class:`StartError` and :class:`SinkError` where something cannot be read.
        """
        with Ledger() as ledger:
            comparison, _ = self._compare(ledger, show)
        return comparison

    def repair(self, *, show: int) -> tuple[Repaired, Comparison]:
        """Compare, mend what can be mended, and compare again.

        Raises :class:`StartError` also where another repair, or a purge, is at it.
        """
        with rewriting(self._settings.archive), Ledger() as ledger:
            _, found = self._compare(ledger, show)
            repair = Repair(self._settings, self._judge, found)
            repaired = repair.run(self._reader, ledger, self._progress)
        return repaired, self.compare(show=show)

    def _compare(self, ledger: Ledger, show: int) -> tuple[Comparison, state.State]:
        settings, reader, progress = self._settings, self._reader, self._progress
        found = state.read(reader, settings, ledger, progress)
        arrival = sent.read(reader, settings, ledger, progress, judge=self._judge, state=found)
        stores = Stores(settings, found)
        stores.read(ledger, progress)
        # Written before the documents that they excuse count as applied, so read after them.
        sent.read_letters(reader, settings, ledger, progress)
        for extent in reader.extents(settings.topic):
            ledger.end(extent.partition, extent.end)
        ledger.purges(purges.noted(settings.archive))
        terms = Terms(
            index_all=settings.index_readings == "all",
            archive_all=settings.archive_readings == "all",
            counters=found.whole,
        )
        if arrival is not None:
            terms = terms._replace(first_arrival=arrival)
        if found.began is not None:
            terms = terms._replace(life_began=found.began)
        with progress("differences", None) as step:
            totals = differences.find(ledger, terms)
            step(sum(totals.differences.values()))
        examples = {
            kind: list(differences.examples(ledger, kind, show)) for kind in totals.differences
        }
        elsewhere = sum(stores.elsewhere.values())
        return Comparison(totals, examples, elsewhere, found.whole), found
