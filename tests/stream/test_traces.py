"""Traces: what a collector is told of a chunk, and that nothing waits for one."""

import sys
import time

import pytest

from bpstream.stream.stages import Stages
from bpstream.stream.traces import Traces
from tests.faults.killable import running
from tests.pipeline.messages import Taken, a_pipeline, chunk, messages
from tests.pipeline.owner import Owner
from tests.stream.collector import Collector


@pytest.fixture
def environ(monkeypatch):
    """OpenTelemetry's variables, of which none is set yet."""
    for name in ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)

    def set_them(**values):
        # The library reads the process' own.
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        return values

    return set_them


@pytest.fixture
def batch():
    readings = [Taken("obs-17", "PAT-042", systolic=187), Taken("obs-18", "PAT-043")]
    return a_pipeline().read(chunk(messages(*readings, b"rubbish")), Owner().partition)


@pytest.fixture
def stages():
    stages = Stages()
    stages.is_read()
    stages.is_judged()
    stages.is_storing()
    time.sleep(0.01)
    stages.is_stored()
    return stages


async def test_a_chunk_is_a_span_and_its_stages_are_spans_within_it(environ, batch, stages):
    with running(Collector()) as collector:
        traces = Traces.from_environment(environ(**collector.environment), service="ward-3")
        traces.chunk(batch, stages, partition=2)
        await traces.close()
    *children, whole = sorted(collector.spans, key=lambda span: span.name == "chunk")
    assert [child.name for child in children] == ["read", "judge", "store"]
    assert {child.parent_span_id for child in children} == {whole.span_id}
    assert {child.trace_id for child in children} == {whole.trace_id}
    assert all(
        whole.start_time_unix_nano <= child.start_time_unix_nano
        <= child.end_time_unix_nano <= whole.end_time_unix_nano
        for child in children
    )  # fmt: skip
    assert whole.end_time_unix_nano - whole.start_time_unix_nano >= 10_000_000
    assert abs(whole.start_time_unix_nano - time.time_ns()) < 60e9
    (resource,) = collector.requests[0].resource_spans
    named = {each.key: each.value.string_value for each in resource.resource.attributes}
    assert named["service.name"] == "ward-3"


async def test_a_span_tells_how_many_of_what_and_nothing_of_a_patient(environ, batch, stages):
    with running(Collector()) as collector:
        traces = Traces.from_environment(environ(**collector.environment), service="ward-3")
        traces.chunk(batch, stages, partition=2)
        await traces.close()
    (whole,) = [span for span in collector.spans if span.name == "chunk"]
    told = {each.key: each.value.string_value or each.value.int_value for each in whole.attributes}
    assert told == {
        "messaging.system": "kafka",
        "messaging.operation.type": "process",
        "messaging.destination.name": batch.chunk.topic,
        "messaging.destination.partition.id": "2",
        "messaging.batch.message_count": 3,
        "bpstream.readings": 2,
        "bpstream.rekeyed": 0,
        "bpstream.dead_letters": 1,
    }
    for private in (b"PAT-042", b"obs-17", b"187"):
        assert not any(private in body for body in collector.bodies)


async def test_the_library_s_own_variables_go_before_our_name(environ, batch, stages):
    with running(Collector()) as collector:
        given = environ(**collector.environment, OTEL_SERVICE_NAME="named-elsewhere")
        traces = Traces.from_environment(given, service="ward-3")
        traces.chunk(batch, stages, partition=0)
        await traces.close()
    assert b"named-elsewhere" in collector.bodies[0]
    assert b"ward-3" not in collector.bodies[0]


async def test_a_collector_that_is_away_keeps_nobody_waiting(environ, batch, stages):
    with running(Collector()) as collector:
        url = collector.url
    traces = Traces.from_environment(environ(OTEL_EXPORTER_OTLP_ENDPOINT=url), service="ward-3")
    began = time.monotonic()
    traces.chunk(batch, stages, partition=0)
    assert time.monotonic() - began < 0.5
    await traces.close()
    assert time.monotonic() - began < 4


@pytest.mark.parametrize("environ", [{}, {"OTEL_EXPORTER_OTLP_ENDPOINT": ""}])
def test_without_an_endpoint_there_are_no_traces(environ):
    assert Traces.from_environment(environ, service="ward-3") is None


def test_another_protocol_is_a_warning_that_says_what_would_do(caplog):
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
    }
    assert Traces.from_environment(environ, service="ward-3") is None
    (warning,) = caplog.messages
    assert "OTEL_EXPORTER_OTLP_PROTOCOL is grpc" in warning
    assert "http/protobuf would do" in warning


def test_an_endpoint_without_the_library_is_a_warning_that_says_what_would_do(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    assert Traces.from_environment(environ, service="ward-3") is None
    (warning,) = caplog.messages
    assert "pip install 'bpstream[otel]' would do" in warning
