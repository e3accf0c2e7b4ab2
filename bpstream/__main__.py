"""`bpstream` on the command line."""

from bpstream.commands import cli


def main() -> None:
    """Run the command that the arguments name."""
    cli(prog_name="bpstream")


if __name__ == "__main__":
    main()
