"""Digests: the hash that Python's own library makes of the same text, in C and without it."""

from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.compiled import LOOPS
from bpstream.fhir.identity import digest, digests
from bpstream.jsonlines import parts

BLOCK = 128
"""Bytes that BLAKE2b takes at a time: the last one is taken in another way."""
ends = st.sampled_from([0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 1, 1000])


@given(st.lists(st.binary(max_size=300) | ends.map(bytes)))
@pytest.mark.parametrize("loops", [LOOPS, None])
def test_many_texts_have_the_hashes_that_each_has(loops, texts):
    assert digests(parts(texts), loops=loops) == [
        blake2b(text, digest_size=16).hexdigest() for text in texts
    ]


def test_one_text_has_the_hash_it_has_among_many():
    assert digests(parts([b"abc"])) == [digest("abc")] == ["cf4ab791c62b8d2b2109c90275287816"]
