"""Blood-pressure surveillance on a stream of FHIR Observations."""

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """`faust -A bpstream` asks for `app`: it is made from the environment when asked for."""
    if name == "app":
        from bpstream.stream.app import app_from_environment  # noqa: PLC0415

        return app_from_environment()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
