"""The facts of a document: what of it is compared."""

import msgspec

from bpstream.clinical.rules import TAG_NAMES
from bpstream.document import Coordinates

_NOWHERE = Coordinates("", -1, -1)
_TAGS = {tuple(names): tags for tags, names in enumerate(TAG_NAMES)}


class Facts(msgspec.Struct, gc=False):
    """What is read of a document; one that somebody else wrote may lack any of it."""

    document_id: str = ""
    version: int = 0
    patient_id: str = ""
    kafka: Coordinates = _NOWHERE
    anomaly_details: tuple[str, ...] = ()
    kind: str = "reading"
    ingested_at: str = ""
    retracted: bool = False
    """A tombstone, and no document."""

    @property
    def tags(self) -> int:
        """`rules.Tag`, from their names."""
        return _TAGS.get(self.anomaly_details, 0)

    @property
    def spot(self) -> bool:
        """Whether it is a single reading, which is counted."""
        return self.kind == "reading"


FIELDS = [name for name in Facts.__struct_fields__ if name != "retracted"]
"""What an index is asked for."""

decode = msgspec.json.Decoder(Facts).decode
"""The facts of a document's bytes.  Raises msgspec.DecodeError where they are none."""
