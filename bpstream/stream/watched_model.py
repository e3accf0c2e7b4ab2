"""The model in `/metrics`: what it is given and says, and how far that is from its training."""

import logging
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from bpstream.clinical.models.drift import LARGE, Drift, Reference

log = logging.getLogger(__name__)


class WatchedModel(Collector):
    """Counts what steps observed, and logs what becomes unlike the training data, or like it."""

    def __init__(self, references: Mapping[str, Reference], registry: CollectorRegistry) -> None:
        self.drift = Drift(references)
        self.failures = Counter(
            "bpstream_model_failures",
            "Steps whose readings the model failed to score: the rules went on without it",
            registry=registry,
        )
        self._told: set[str] = set()
        self._is_new = False
        self._failure = ""
        registry.register(self)

    def observe(self, columns: Mapping[str, NDArray[np.float64]]) -> None:
        """Take down a step's columns."""
        self.drift.observe(columns)
        self._is_new = True

    def failed(self, error: Exception) -> None:
        """The model said nothing of a step; the log tells it once for each kind of failure."""
        self.failures.inc()
        if (told := repr(error)) != self._failure:
            self._failure = told
            log.error("the model failed; readings are judged by the rules alone", exc_info=error)

    def look(self) -> None:
        """Log which columns have drifted away from the training data, and which are back."""
        if not self._is_new:
            return
        self._is_new = False
        far = {name: index for name, index in self.drift.index().items() if index > LARGE}
        for name in far.keys() - self._told:
            log.warning(
                "%s is not distributed as in the model's training data (stability index %.2f, "
                "where %.2f is large): its scores may mean little here",
                name,
                far[name],
                LARGE,
            )
        for name in self._told - far.keys():
            log.info("%s is distributed as in the model's training data again", name)
        self._told = set(far)

    def collect(self) -> Iterator[HistogramMetricFamily | GaugeMetricFamily]:
        """For Prometheus: a histogram a column, and its stability index."""
        values = HistogramMetricFamily(
            "bpstream_model_values",
            "What the model was given (systolic, diastolic: mmHg) and said (probabilities)",
            labels=("column",),
        )
        for name, reference in self.drift.references.items():
            edges = [*(f"{edge:g}" for edge in reference.edges), "+Inf"]
            counts = np.cumsum(self.drift.counts[name]).tolist()
            # Without a sum, which between two scrapes may be a single patient's pressure.
            values.add_metric((name,), list(zip(edges, counts, strict=True)), None)
        yield values
        drift = GaugeMetricFamily(
            "bpstream_model_drift",
            "Population stability index of a column against the model's training data",
            labels=("column",),
        )
        for name, index in self.drift.index().items():
            drift.add_metric((name,), index)
        yield drift
