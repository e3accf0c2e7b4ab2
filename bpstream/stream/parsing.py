"""The parser that the settings ask for: the worker's, and that of every tool beside it."""

from zoneinfo import ZoneInfo

from bpstream.fhir.parse import Parser
from bpstream.settings import Settings


def parser_of(settings: Settings) -> Parser:
    """The parser as a worker with these settings has it."""
    return Parser(
        source=settings.source,
        fhir_base=settings.fhir_base,
        timezone=ZoneInfo(settings.timezone),
        max_skew=settings.max_skew,
    )
