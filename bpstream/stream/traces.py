"""Traces: a span for each chunk, sent to a collector of OpenTelemetry's.

Without OTEL_EXPORTER_OTLP_ENDPOINT there are none, and nothing of OpenTelemetry is imported.
A span tells topic, partition and how many of what; never an id or a pressure.
"""

import asyncio
import logging
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

from bpstream import __version__
from bpstream.batch import Batch
from bpstream.stream.stages import Stages

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

log = logging.getLogger(__name__)

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_PROTOCOL = "http/protobuf"

_SENT_WITHIN = 2.0
"""Seconds: of a request to the collector, and of what is left when the worker ends."""


class Traces:
    """Makes spans of chunks that are done; they are sent by a thread of the library's."""

    def __init__(self, provider: "TracerProvider") -> None:
        from opentelemetry import trace  # noqa: PLC0415

        self._provider, self._trace = provider, trace
        self._tracer = provider.get_tracer("bpstream", __version__)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], *, service: str) -> Self | None:
        """What OpenTelemetry's own variables ask for; None where they ask for nothing.

        `service` is the name where they have none.
        """
        if not environ.get(ENDPOINT):
            return None
        protocol = environ.get("OTEL_EXPORTER_OTLP_PROTOCOL") or _PROTOCOL
        if protocol != _PROTOCOL:
            log.warning(
                "OTEL_EXPORTER_OTLP_PROTOCOL is %s, and there will be no traces: %s would do",
                protocol,
                _PROTOCOL,
            )
            return None
        try:
            # ruff: disable[PLC0415]
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import OTELResourceDetector, Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            # ruff: enable[PLC0415]
        except ImportError as error:
            log.warning(
                "%s is set, and there will be no traces: %s; pip install 'bpstream[otel]' would do",
                ENDPOINT,
                error,
            )
            return None
        ours = {"service.name": service, "service.version": __version__}
        resource = Resource.create({**ours, **OTELResourceDetector().detect().attributes})
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=_SENT_WITHIN)))
        return cls(provider)

    def chunk(self, batch: Batch, stages: Stages, *, partition: int) -> None:
        """Tell of a chunk of which everything is stored."""
        # Spans have the wall clock's times, and last as long as the monotonic clock says.
        to_wall = stages.began_at - stages.began
        span = self._tracer.start_span(
            "chunk",
            kind=self._trace.SpanKind.CONSUMER,
            start_time=stages.began_at,
            attributes={
                "messaging.system": "kafka",
                "messaging.operation.type": "process",
                "messaging.destination.name": batch.chunk.topic,
                "messaging.destination.partition.id": str(partition),
                "messaging.batch.message_count": len(batch.chunk),
                "bpstream.readings": len(batch.at_home),
                "bpstream.rekeyed": len(batch.away),
                "bpstream.dead_letters": len(batch.rejected),
            },
        )
        within = self._trace.set_span_in_context(span)
        for stage in stages:
            child = self._tracer.start_span(stage.name, within, start_time=stage.began + to_wall)
            child.end(stage.ended + to_wall)
        span.end(stages.stored + to_wall)

    async def close(self) -> None:
        """Send what is left; a collector that is away keeps the worker no longer than 2 s."""
        # The library's own timeout is for each request; a daemon keeps no process from ending.
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, _SENT_WITHIN)
