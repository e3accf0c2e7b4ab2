"""Makes the secrets of the Docker stack that nobody has set: once, in compose/.env, mode 600.

Each name that `docker-compose.yml` refuses to do without is a secret.  One that stands in the
environment or in the file is left as it is.
"""

import os
import re
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).parent
# ${NAME:?why}
_NEEDED = re.compile(r"\$\{(\w+):\?")
_BYTES = 32


def missing(compose: str, written: str, environ: Mapping[str, str]) -> list[str]:
    """The names `compose` needs that neither the text of a .env file nor `environ` sets."""
    there = dict(re.findall(r"^ *(\w+)=(.*)$", written, re.M))
    needed = dict.fromkeys(_NEEDED.findall(compose))
    return [name for name in needed if not (environ.get(name) or there.get(name, "").strip(" \"'"))]


def main() -> None:
    """Add what is missing to .env, and say so."""
    path = HERE / ".env"
    # Made with its mode, never open to others for a moment; a file that is there may be wider.
    with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        written = file.read()
        names = missing((HERE / "docker-compose.yml").read_text("utf-8"), written, os.environ)
        if names:
            # A name that stands there empty is overruled: of two lines the last counts.
            start = "" if not written or written.endswith("\n") else "\n"
            lines = [f"{name}={secrets.token_urlsafe(_BYTES)}\n" for name in names]
            file.write(start + "".join(lines))
            sys.stdout.write(f"made {', '.join(names)}: they are in {path}\n")


if __name__ == "__main__":
    main()
