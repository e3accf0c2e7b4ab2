"""A histogram of seconds in which many that are alike are counted at once."""

import time
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class Durations(Collector):
    """In `/metrics` what a `prometheus_client.Histogram` without labels is."""

    def __init__(
        self, name: str, told: str, *, buckets: Sequence[float], registry: CollectorRegistry
    ) -> None:
        """`buckets` are their upper ends, ascending; there is one more, without an end."""
        self._name, self._told, self._ends = name, told, list(map(float, buckets))
        self._counts, self._sum = np.zeros(len(buckets) + 1, np.int64), 0.0
        self._created = time.time()
        registry.register(self)

    def observe(self, seconds: NDArray[np.float64]) -> None:
        """Count those that took so long, shape ``(n,)``."""
        self._counts += np.bincount(
            np.searchsorted(self._ends, seconds), minlength=len(self._counts)
        )
        self._sum += float(seconds.sum())

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """For Prometheus."""
        ends = [*map(floatToGoString, self._ends), "+Inf"]
        counts = self._counts.cumsum().astype(float).tolist()
        family = HistogramMetricFamily(
            self._name,
            self._told,
            buckets=list(zip(ends, counts, strict=True)),
            sum_value=self._sum,
        )
        family.add_sample(f"{self._name}_created", {}, self._created)
        yield family
