"""`bpstream alerts`: what fires and what did, acknowledging, and silences."""

import json

import click

from bpstream.commands import common
from bpstream.commands.asking import Json, ask, by_option
from bpstream.commands.burden import burden

_ID = 16


@click.group()
def alerts() -> None:
    """List, acknowledge and silence alerts, at a worker.

    It is found by BPSTREAM_WEB_URL, else by BPSTREAM_WEB_HOST and BPSTREAM_WEB_PORT.
    """


@alerts.command("list")
@click.option("--all", "everything", is_flag=True, help="The history: every event, newest first.")
@click.option("--since", help="History from then on (ISO 8601); else of a day.")
@click.option("--limit", type=click.IntRange(1, 1000), help="At most so many events of history.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")
@common.command
def list_alerts(everything: bool, since: str | None, limit: int | None, as_json: bool) -> None:
    """List the alerts that are pending or firing, the most urgent first."""
    if not everything and (since or limit):
        raise click.UsageError("--since and --limit go with --all")
    settings = common.settings()
    if everything:
        found = ask(settings, "alerts", "", state="all", since=since, limit=limit)
    else:
        found = ask(settings, "alerts", "")
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for each in found["alerts"]:
        click.echo(_event(each) if everything else _line(each))
    if not found["alerts"]:
        click.echo("no alerts")
    if not found.get("complete", True):
        click.echo("there are more: name a later --since, or a higher --limit")
    if missing := found.get("missing"):
        click.echo(f"alerts are missing: no answer from worker {', '.join(missing)}", err=True)


@alerts.command()
@click.argument("id")
@by_option
@click.option("--comment", default="", help="What is done about it.")
@common.command
def ack(id: str, by: str, comment: str) -> None:
    """Acknowledge an alert: it is not said again until it becomes more severe."""
    body = {"by": by, "comment": comment}
    click.echo(_line(ask(common.settings(), "alerts", id, "acknowledge", body=body)))


@alerts.command()
@click.option("--patient", help="Of this patient only.")
@click.option("--rule", help="By this rule only.")
@click.option("--minutes", type=click.IntRange(0, 1440), help="For so long; 0 ends a silence.")
@click.option("--by", help="Who says so.")
@click.option("--comment", default="", help="Why.")
@common.command
def silence(
    patient: str | None, rule: str | None, minutes: int | None, by: str | None, comment: str
) -> None:
    """Notify nobody of some alerts for a while; with no option, list what is silenced.

    They are published and shown all the same, marked.  A critical alert is silenced for two
    hours at most.
    """
    settings = common.settings()
    if minutes is None and by is None and not (patient or rule):
        found = ask(settings, "silences", "")
    else:
        if minutes is None or not by or not (patient or rule):
            raise click.UsageError("a silence needs --minutes, --by, and --patient or --rule")
        body = {"by": by, "minutes": minutes, "comment": comment}
        body |= {"patient_id": patient, "rule": rule}
        found = ask(settings, "silences", "", body=body)
    for each in found["silences"]:
        of = " of ".join(filter(None, (each["rule"] or "all alerts", each["patient_id"])))
        click.echo(f"{of} until {each['until']}, by {each['by']}: {each['comment'] or '-'}")
    if not found["silences"]:
        click.echo("nothing is silenced")


def _line(alert: Json) -> str:
    said = alert["acknowledged"]
    notes = [f"acknowledged by {said['by']}: {said['comment'] or '-'}"] if said else []
    if alert["silenced"]:
        notes.append(f"silenced until {alert['silenced']['until']}")
    return _joined(alert, alert["since"], notes)


def _event(event: Json) -> str:
    notes = [f"{event['by']}: {event['comment'] or '-'}"] if event.get("by") else []
    return _joined(event, event["published_at"], [event["message"], *notes])


def _joined(alert: Json, at: str, notes: list[str]) -> str:
    return "  ".join(
        (
            f"{alert['alert_id']:{_ID}}",
            f"{alert['state']:<12}",
            f"{alert['severity']:<8}",
            at,
            alert["patient_id"] or "-",
            alert["rule"],
            *notes,
        )
    )


alerts.add_command(burden)
