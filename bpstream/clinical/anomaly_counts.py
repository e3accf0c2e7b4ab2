"""Anomalous readings, counted in buckets of event time: rules of the ward judge their sum."""

import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.alarm_rule import BUCKET

BUCKET_MICROSECONDS = BUCKET * 1_000_000


def bucket_of(moment: int) -> int:
    """The bucket of a moment (µs since 1970 UTC)."""
    return moment // BUCKET_MICROSECONDS


def count(
    anomalies: dict[int, int], taken_at: NDArray[np.int64], *, arrived_at: int, within: int
) -> None:
    """Add readings to the `anomalies` of a partition, which are by bucket.

    What is older than `within` seconds before `arrived_at` is forgotten.  Both times are in µs
    since 1970 UTC.
    """
    buckets, counts = np.unique(taken_at // BUCKET_MICROSECONDS, return_counts=True)
    for bucket, more in zip(buckets.tolist(), counts.tolist(), strict=True):
        anomalies[bucket] = anomalies.get(bucket, 0) + more
    oldest = bucket_of(arrived_at) - within // BUCKET
    for bucket in [bucket for bucket in anomalies if bucket < oldest]:
        del anomalies[bucket]
