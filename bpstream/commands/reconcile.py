"""`bpstream reconcile`: archive, index and counters held against the topic."""

import sys
from typing import TYPE_CHECKING

import click
import msgspec

from bpstream.commands import common, progress

if TYPE_CHECKING:
    from bpstream.reconcile.comparison import Comparison
    from bpstream.reconcile.differences import Difference
    from bpstream.reconcile.repair import Repaired

_INTERRUPTED = 130


@click.command()
@click.option("--repair", is_flag=True, help="Mend what can be mended, then compare again.")
@click.option("--show", default=5, show_default=True, type=click.IntRange(0), help="Examples each.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@common.command
def reconcile(repair: bool, show: int, as_json: bool) -> None:
    """Compare archive, index and counters with the topic, and name what differs.

    Runs beside the workers and changes nothing, unless --repair is given.  The exit status is 0
    when all are equal and 1 when they are not.
    """
    from bpstream.reconcile.comparison import Reconciler
    from bpstream.stream.reader import Reader

    settings = common.settings()
    repaired = None
    try:
        with Reader(settings) as reader:
            reconciler = Reconciler(settings, reader, progress.passes)
            if repair:
                repaired, comparison = reconciler.repair(show=show)
            else:
                comparison = reconciler.compare(show=show)
    except KeyboardInterrupt:
        click.echo(err=True)
        sys.exit(_INTERRUPTED)
    (_print_json if as_json else _print_table)(comparison, repaired)
    if not comparison.equal:
        sys.exit(common.EXIT_FAILURE)


def _print_json(comparison: "Comparison", repaired: "Repaired | None") -> None:
    totals = comparison.totals
    told = {
        "equal": comparison.equal,
        "documents": totals.documents,
        "on_their_way": totals.on_their_way,
        "older_than_the_topic": totals.older,
        "purged": totals.purged,
        "counters_of_what_was_purged": totals.above,
        "of_other_topics": comparison.elsewhere,
        "counters_compared": comparison.counters,
        "differences": [
            {
                "kind": kind,
                "count": count,
                "examples": [
                    {name: value for name, value in each._asdict().items() if value is not None}
                    for each in comparison.examples[kind]
                ],
            }
            for kind, count in totals.differences.items()
        ],
        "repaired": None if repaired is None else repaired._asdict(),
    }
    click.echo(msgspec.json.encode(told).decode())


def _print_table(comparison: "Comparison", repaired: "Repaired | None") -> None:
    totals = comparison.totals
    if repaired is not None:
        click.echo(
            f"repaired: {repaired.indexed} documents written to the index, {repaired.archived} "
            f"to the archive; {repaired.removed} lines taken out of it"
        )
    for kind, count in totals.differences.items():
        click.echo(f"{kind:<32}{count:>10}")
        for each in comparison.examples[kind]:
            click.echo(f"    {_example(each)}")
    if totals.on_their_way:
        click.echo(f"{totals.on_their_way} readings are on their way")
    if totals.older:
        click.echo(
            f"{totals.older} documents are older than the topic: the counters are held against "
            "the topic and these"
        )
    if totals.purged:
        click.echo(f"{totals.purged} documents were purged, and are not missing")
    if totals.above:
        click.echo(
            f"the counters of {totals.above} patients tell of more than topic and stores: of what "
            "was purged"
        )
    if comparison.elsewhere:
        click.echo(f"{comparison.elsewhere} documents of other topics are left out")
    if not comparison.counters:
        click.echo("the changelog has lost its beginning: the counters are not compared")
    if comparison.equal:
        click.echo(f"equal: {totals.documents} documents")
    else:
        click.echo(_advice(comparison, repaired is not None))


def _example(each: "Difference") -> str:
    if each.expected is not None:
        return f"{each.patient_id}: {each.found}, should be {each.expected}"
    where = f"  ({each.found})" if each.found else ""
    return f"{each.document_id}  {each.patient_id}  {each.partition}:{each.offset}{where}"


def _advice(comparison: "Comparison", repaired: bool) -> str:
    count = sum(comparison.totals.differences.values())
    said = f"{count} differences among {comparison.totals.documents} documents"
    if repaired:
        return f"{said} are left: they are not for --repair to mend"
    return f"{said}; --repair mends what is missing, and what is twice in the archive"
