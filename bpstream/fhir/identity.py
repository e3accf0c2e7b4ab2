"""Identity: which document a reading is, whatever brought it here, and which version of it."""

import re
from collections.abc import Iterable
from ctypes import CDLL
from datetime import tzinfo
from hashlib import blake2b
from typing import Any

import numpy as np

from bpstream.compiled import LOOPS, address
from bpstream.errors import RejectedObservation
from bpstream.fhir.element import list_of, object_of, text_of
from bpstream.fhir.subject import identifier_key
from bpstream.fhir.times import moment
from bpstream.jsonlines import Parts
from bpstream.texts import Texts

DIGEST_BYTES = 16
"""Of a document id: 32 hexadecimal digits."""
VERSION = re.compile(r"[0-9]{1,18}")  # what a store takes as an external version


def digest(text: str) -> str:
    """32 hexadecimal digits of the BLAKE2b hash of `text`."""
    return blake2b(text.encode(), digest_size=DIGEST_BYTES).hexdigest()


def digests(each: Parts, *, loops: CDLL | None = LOOPS) -> Texts:
    """The same of each text, in UTF-8."""
    if loops is None:
        hashes = [blake2b(text, digest_size=DIGEST_BYTES).hexdigest() for text in each.each()]
        return Texts.of(hashes)
    each = each.contiguous()
    out = np.empty(len(each.begins) * (2 * DIGEST_BYTES + 1), np.uint8)
    loops.write_digests(*each.addresses(), DIGEST_BYTES, address(out))
    return Texts.of_lines(out.tobytes())


def joined(parts: Iterable[str]) -> str:
    """The parts, a line each; no two lists of parts give the same text."""
    return "\n".join(part.replace("\\", "\\\\").replace("\n", "\\n") for part in parts)


def source_of(observation: dict[str, Any]) -> str:
    """Its meta.source, without the fragment: there HAPI's servers name the request.

    That is another one for every version (Smile CDR, Request Tracing and Provenance).
    """
    return text_of(object_of(observation.get("meta")).get("source")).partition("#")[0]


def identifier_of(observation: dict[str, Any]) -> str:
    """Its first identifier that has a value, as `system|value`; else empty."""
    keys = map(identifier_key, list_of(observation.get("identifier")))
    return next(filter(None, keys), "")


def logical(observation: dict[str, Any], *, patient: str, source: str) -> str:
    """What names the Observation through all its versions; empty where nothing does.

    The patient and the source (meta.source, else `source`) are part of it: equal ids from
    two hospitals are two readings.
    """
    source = source_of(observation) or source
    if name := text_of(observation.get("id")):
        return joined(("id", patient, source, name))
    name = identifier_of(observation)
    return joined(("identifier", patient, source, name)) if name else ""


def version(observation: dict[str, Any], *, zone: tzinfo) -> int:
    """VersionId if it is a number, else lastUpdated in µs since 1970, else 0."""
    meta = object_of(observation.get("meta"))
    written = meta.get("versionId")
    if isinstance(written, int) and not isinstance(written, bool):
        written = str(written) if 0 <= written < 10**18 else ""
    if VERSION.fullmatch(text_of(written)):
        return int(text_of(written))
    try:
        return max(moment(meta.get("lastUpdated"), zone=zone, path="").at, 0)
    except RejectedObservation:
        return 0
