"""Documents as the pipeline makes them of messages."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from bpstream.checkpoint import Checkpoint
from bpstream.document import Document
from bpstream.pipeline import Partition, Step
from tests.pipeline.messages import Message, a_pipeline, chunk

NOW = int(datetime.fromisoformat("2026-11-24T00:00:00Z").timestamp()) * 1_000_000


def documents_of(values: Sequence[bytes], *, arrived_at: int = NOW) -> list[Document]:
    """The document of every reading in `values`."""
    held = [Message(offset, value, arrived_at) for offset, value in enumerate(values)]
    pipeline, partition = a_pipeline(), Partition(0, checkpoint=Checkpoint())
    batch = pipeline.read(chunk(held), partition)
    return [
        msgspec.json.decode(entry.body, type=Document)
        for step in pipeline.steps(batch, partition, now=arrived_at)
        if isinstance(step, Step)
        for entry in step.entries
    ]
