"""Counts: what became of chunks and their steps, in the worker's metrics."""

import time

from bpstream.batch import Batch, Step
from bpstream.stream.dead_letters import REFUSED
from bpstream.stream.metrics import Metrics
from bpstream.stream.stages import Stages

UNKNOWN_RETRACTION = "unknown_retraction"
"""Reason of a dead letter: what is taken back is neither in the state nor in the stores."""


def count_step(metrics: Metrics, step: Step, refused: int) -> None:
    """Count a step that is stored, but for so many documents that the index refused."""
    inputs = metrics.inputs
    inputs.labels("reading", "").inc(max(0, step.readings - refused))
    inputs.labels("aggregate", "").inc(step.aggregates)
    inputs.labels("repeated", "").inc(step.repeated)
    inputs.labels("retraction", "").inc(len(step.retracted))
    inputs.labels("dead_letter", REFUSED).inc(refused)
    inputs.labels("dead_letter", UNKNOWN_RETRACTION).inc(len(step.unknown))
    metrics.anomalies.inc(step.anomalies)
    metrics.model.observe(step.observed)
    if step.failure is not None:
        metrics.model.failed(step.failure)


def count_chunk(metrics: Metrics, batch: Batch, stages: Stages) -> None:
    """Count a chunk of which everything is stored."""
    inputs = metrics.inputs
    metrics.rekeyed.inc(len(batch.away) + len(batch.retractions_away))
    metrics.redelivered.inc(batch.skipped)
    inputs.labels("repeated", "").inc(batch.counted)
    metrics.messages.labels("plain").inc(len(batch.chunk) - batch.tolerant)
    metrics.messages.labels("tolerant").inc(batch.tolerant)
    for rejected in batch.rejected:
        inputs.labels("dead_letter", rejected.reason).inc()
    for ignored in batch.ignored:
        inputs.labels("ignored", ignored.reason).inc()
    metrics.chunks.inc()
    metrics.chunk_seconds.observe(stages.seconds)
    for stage in stages:
        metrics.stage_seconds.labels(stage.name).observe(stage.seconds)
    if len(batch.chunk):
        oldest = float(batch.chunk.arrived_at.min()) / 1e6
        metrics.latency_seconds.observe(max(0.0, time.time() - oldest))
