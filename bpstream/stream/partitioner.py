"""The partition of a key: the one that Kafka's own clients choose, by the key's murmur2."""

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from aiokafka.partitioner import murmur2
from numpy.typing import NDArray

_SEED = 0x9747B28C
_MIX = np.uint32(0x5BD1E995)

_FEW = 16
"""So many keys one by one are as fast as at once."""


@lru_cache(maxsize=200_000)
def partition_of(key: bytes, partitions: int) -> int:
    """The partition of one key, of so many."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions


def partitions_of(keys: Sequence[bytes], partitions: int) -> list[int]:
    """The partition of each key, of so many: of many at a tenth of what one costs alone."""
    if len(keys) <= _FEW:
        return [partition_of(key, partitions) for key in keys]
    hashed = np.empty(len(keys), np.uint32)
    by_length = defaultdict[int, list[int]](list)
    for at, length in enumerate(map(len, keys)):
        by_length[length].append(at)
    for length, places in by_length.items():
        hashed[places] = _murmur2([keys[at] for at in places], length)
    found: list[int] = ((hashed & np.uint32(0x7FFFFFFF)) % np.uint32(partitions)).tolist()
    return found


def _murmur2(keys: list[bytes], length: int) -> NDArray[np.uint32]:
    """The hash of each key; all have one length.

    Appleby's MurmurHash2, as in org.apache.kafka.common.utils.Utils.
    """
    words, tail = divmod(length, 4)
    padding = bytes(-length % 4)
    joined = padding.join(keys) + padding
    columns = np.frombuffer(joined, "<u4").reshape(len(keys), -1).T
    mixed = columns[:words] * _MIX
    mixed ^= mixed >> 24
    mixed *= _MIX
    hashed = np.full(len(keys), _SEED ^ length, np.uint32)
    for word in mixed:
        hashed *= _MIX
        hashed ^= word
    if tail:
        hashed ^= columns[words]
        hashed *= _MIX
    hashed ^= hashed >> 13
    hashed *= _MIX
    hashed ^= hashed >> 15
    return hashed
