"""Where the files are that bpstream reads at run time: in the wheel or in the checkout."""

from pathlib import Path

from bpstream.errors import StartError

_PACKAGE = Path(__file__).parent


def shipped(name: str, *, package: Path = _PACKAGE) -> Path:
    """The folder `name` ("models", "dashboards") that belongs to this bpstream.

    An installed wheel has it inside the package, a checkout beside it.  Raises
    :class:`StartError` when it is in neither place.
    """
    installed, checked_out = package / "_shipped" / name, package.parent / name
    for folder in (installed, checked_out):
        if folder.is_dir():
            return folder
    raise StartError(
        f"the folder {name} is missing: it is neither {installed} (an installed bpstream) "
        f"nor {checked_out} (a checkout); install bpstream anew"
    )
