"""`bpstream limits`: bounds of the alarm rules that are others for one patient."""

from typing import Any

import click

from bpstream.commands import common
from bpstream.commands.asking import Json, ask, by_option

_DEFAULT = "default"


class _Limit(click.ParamType):
    """NAME=MMHG, or NAME=default."""

    name = "limit"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float | None]:
        name, _, number = str(value).partition("=")
        if number == _DEFAULT:
            return name, None
        try:
            return name, float(number)
        except ValueError:
            wanted = f"systolic_high=160 or systolic_high={_DEFAULT}"
            self.fail(f"{value!r} is no limit such as {wanted}", param, ctx)


@click.group()
def limits() -> None:
    """Show, set and suggest a patient's alarm limits, at a worker.

    It is found by BPSTREAM_WEB_URL, else by BPSTREAM_WEB_HOST and BPSTREAM_WEB_PORT.
    """


@limits.command()
@click.argument("patient")
@common.command
def show(patient: str) -> None:
    """Print what holds for a patient now, and whence each bound is."""
    _tell(ask(common.settings(), "patients", patient, "limits"))


@limits.command("set")
@click.argument("patient")
@click.argument("limits", nargs=-1, type=_Limit(), metavar="[NAME=MMHG|NAME=default]...")
@click.option("--profile", help="What kind of patient it is; adult: none in particular.")
@click.option("--expires", help="When it ends (ISO 8601, in UTC where it names no zone).")
@by_option
@click.option("--reason", required=True, help="Why.")
@common.command
def set_limits(
    patient: str,
    limits: tuple[tuple[str, float | None], ...],
    profile: str | None,
    **said: str | None,
) -> None:
    """Set limits of a patient, all or none; readings judged from then on are judged by them.

    No limit can lie beyond what is severe by default: 180/120, a systolic pressure of 80, a mean
    of 55.  Names that begin with severe_ can only be moved towards what is normal.
    """
    if not limits and profile is None:
        raise click.UsageError("name a limit, such as systolic_high=160, or a --profile")
    body: Json = {**said, "bounds": dict(limits), "profile": profile}
    _tell(ask(common.settings(), "patients", patient, "limits", body=body))


@limits.command()
@click.argument("patient")
@common.command
def suggest(patient: str) -> None:
    """Print limits around what is usual for a patient.  A person has to set them."""
    found = ask(common.settings(), "patients", patient, "limits")
    if not found["suggested"]:
        click.echo("too few readings lately to tell what is usual")
        return
    for pressure, usual in found["usual"].items():
        click.echo(f"{pressure}: usually {usual['mean']:g} ± {usual['sd']:g} mmHg")
    words = " ".join(f"{name}={value:g}" for name, value in found["suggested"].items())
    click.echo("If you agree:")
    click.echo(f"  bpstream limits set {patient} {words} --by … --reason …")


def _tell(found: Json) -> None:
    profile = found["limits"]["profile"]
    click.echo(f"{'profile':<22} {profile['name']:>8}  {_whence(profile)}".rstrip())
    for name, bound in found["limits"]["bounds"].items():
        whence = _whence(bound) or bound["from"]
        click.echo(f"{name:<22} {bound['value']:>8g}  {whence}")


def _whence(each: Json) -> str:
    if "by" not in each:
        return ""
    until = f" until {each['expires']}" if each["expires"] else ""
    return f"{each['by']}, {each['at']}{until}: {each['reason']}"
