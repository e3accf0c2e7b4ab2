"""The partition of a key: the one that Kafka's own clients choose, by the key's murmur2."""

from collections import defaultdict
from collections.abc import Sequence
from ctypes import CDLL
from functools import lru_cache

import numpy as np
from aiokafka.partitioner import murmur2
from numpy.typing import NDArray

from bpstream.compiled import LOOPS, address
from bpstream.jsonlines import Parts, parts

_SEED = 0x9747B28C
_MIX = np.uint32(0x5BD1E995)


@lru_cache(maxsize=200_000)
def partition_of(key: bytes, partitions: int) -> int:
    """The partition of one key, of so many."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions


def partitions_of(
    keys: Sequence[bytes] | Parts, partitions: int, *, loops: CDLL | None = LOOPS
) -> list[int]:
    """The partition of each key, of so many: of many at a tenth of what one costs alone."""
    if loops is not None:
        each = (keys if isinstance(keys, Parts) else parts(keys)).contiguous()
        found = np.empty(len(each.begins), np.int64)
        loops.find_partitions(*each.addresses(), partitions, address(found))
    else:
        found = _hashed(keys.each() if isinstance(keys, Parts) else keys) % partitions
    homes: list[int] = found.tolist()
    return homes


def _hashed(keys: Sequence[bytes]) -> NDArray[np.int64]:
    """The hash of each key that is taken, by columns: keys of one length at once."""
    hashed = np.empty(len(keys), np.uint32)
    by_length = defaultdict[int, list[int]](list)
    for at, length in enumerate(map(len, keys)):
        by_length[length].append(at)
    for length, places in by_length.items():
        hashed[places] = _murmur2([keys[at] for at in places], length)
    return (hashed & np.uint32(0x7FFFFFFF)).astype(np.int64)


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
