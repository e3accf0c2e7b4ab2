"""What the worker counts, for Prometheus.  No label ever carries a patient's id."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from bpstream.clinical.models.drift import Reference
from bpstream.stream.durations import Durations
from bpstream.stream.watched_model import WatchedModel

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics:
    """Counters and histograms of one worker, in a registry of their own."""

    def __init__(self, references: Mapping[str, Reference] | None = None) -> None:
        """`references`: how what the model is given and says was distributed in its training."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.model = WatchedModel(references or {}, self.registry)
        self.inputs = Counter(
            "bpstream_inputs",
            "Inputs by their one fate (reading, aggregate, repeated, retraction, ignored, "
            "dead_letter) and its reason",
            ("fate", "reason"),
            registry=self.registry,
        )
        self.rekeyed = Counter(
            "bpstream_rekeyed",
            "Inputs sent home: their fate is counted there",
            registry=self.registry,
        )
        self.redelivered = Counter(
            "bpstream_redelivered",
            "Inputs delivered again after they were applied: their fate was counted before",
            registry=self.registry,
        )
        self.messages = Counter(
            "bpstream_messages",
            "Messages by the parser's path (plain, tolerant)",
            ("path",),
            registry=self.registry,
        )
        self.anomalies = Counter(
            "bpstream_anomalies", "Readings the rules call anomalous", registry=self.registry
        )
        self.chunks = Counter(
            "bpstream_chunks", "Fetched chunks that were processed", registry=self.registry
        )
        self.chunk_seconds = Histogram(
            "bpstream_chunk_seconds",
            "From a chunk's delivery until all its effects are stored",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.latency_seconds = Histogram(
            "bpstream_latency_seconds",
            "From the oldest reading's arrival in Kafka until its chunk's effects are stored",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.stage_seconds = Histogram(
            "bpstream_stage_seconds",
            "Of a chunk, by stage: read (parsed), judge (rules, model, alerts), store (archive, "
            "index, state); they overlap",
            ("stage",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.alert_seconds = Durations(
            "bpstream_alert_seconds",
            "From the time a reading was taken until Kafka has the alert that it made fire",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.stored = Counter(
            "bpstream_stored", "Documents stored, by sink", ("sink",), registry=self.registry
        )
        self.removed = Counter(
            "bpstream_removed",
            "Documents taken out again (corrected, retracted), by sink",
            ("sink",),
            registry=self.registry,
        )
        self.sink_seconds = Histogram(
            "bpstream_sink_seconds",
            "Of a write, a removal or a look-up, until the sink (archive, index, kafka) is done",
            ("sink",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.retries = Counter(
            "bpstream_retries",
            "Writes that had to be tried again (archive, index, kafka)",
            ("sink",),
            registry=self.registry,
        )
        self.alerts = Counter(
            "bpstream_alerts",
            "Alerts published, by rule, severity and state (firing, changed, recovered)",
            ("rule", "severity", "state"),
            registry=self.registry,
        )
        self.notified = Counter(
            "bpstream_notified",
            "Alerts for a webhook or Alertmanager, by outcome (sent, refused); retried: requests "
            "that failed",
            ("receiver", "outcome"),
            registry=self.registry,
        )
        self.lost = Counter(
            "bpstream_lost",
            "Messages that Kafka no longer had when they were to be applied",
            ("topic", "partition"),
            registry=self.registry,
        )
        self.patients = Gauge(
            "bpstream_patients", "Patients in this worker's state", registry=self.registry
        )
        self.feed_clients = Gauge(
            "bpstream_feed_clients", "Clients that listen to GET /feed", registry=self.registry
        )
        self.feed_events = Counter(
            "bpstream_feed_events",
            "Events sent to clients of GET /feed (whole, change)",
            ("event",),
            registry=self.registry,
        )
        self.state_bytes = Gauge(
            "bpstream_state_bytes",
            "Memory that the rows of this worker's patients take",
            registry=self.registry,
        )
        self._lag_told = list[tuple[str, int, int]]()
        self.lag = Gauge(
            "bpstream_lag",
            "Messages not yet committed, by topic and partition",
            ("topic", "partition"),
            registry=self.registry,
        )

    def tell_lag(self, behind: Iterable[tuple[str, int, int]]) -> None:
        """Tell topic, partition and lag of those that are this worker's now, and of no other.

        The lag of one that moved away would stay what it was last, and no longer be true.
        """
        told = list(behind)
        if told == self._lag_told:
            return
        self._lag_told = told
        self.lag.clear()
        for topic, partition, messages in told:
            self.lag.labels(topic, partition).set(messages)


def total(counter: Counter, **labels: str) -> int:
    """The sum of `counter` over every label that is not given."""
    return int(
        sum(
            sample.value
            for family in counter.collect()
            for sample in family.samples
            if sample.name.endswith("_total") and labels.items() <= sample.labels.items()
        )
    )
