"""The archive and the index in dictionaries: what they hold, and what is taken out again."""

from collections.abc import Sequence

import msgspec

from bpstream.batch import Step
from bpstream.checkpoint import Earlier
from bpstream.clinical.rules import tags_of
from bpstream.document import Document, Entry, Removal, month_of


class Shelves:
    """Both stores.  A step that is kept twice leaves one copy."""

    def __init__(self) -> None:
        self.index: dict[tuple[str, str], Entry] = {}
        """By month and document, as in an index for each month."""
        self.archive: dict[tuple[int, str], Entry] = {}
        """By time and document, as in a file for each reading."""

    def keep(self, step: Step) -> None:
        for entry in step.to_archive:
            self.archive[entry.taken_at, entry.document_id] = entry
        kept = {(entry.taken_at, entry.document_id) for entry in step.to_archive}
        for removal in step.from_archive:
            place = removal.taken_at, removal.document_id
            if place not in kept and _is_gone(self.archive.get(place), removal):
                del self.archive[place]
        for entry in step.to_index:
            place = month_of(entry.taken_at), entry.document_id
            if place not in self.index or self.index[place].version <= entry.version:
                self.index[place] = entry
        for removal in step.from_index:
            place = month_of(removal.taken_at), removal.document_id
            if _is_gone(self.index.get(place), removal):
                del self.index[place]

    def look_up(self, document_ids: Sequence[str]) -> dict[str, Earlier | None]:
        """What is known of the documents."""
        found: dict[str, Earlier | None] = dict.fromkeys(document_ids)
        indexed = {document_id: entry for (_, document_id), entry in self.index.items()}
        archived = {document_id: entry for (_, document_id), entry in self.archive.items()}
        for document_id in document_ids:
            if entry := indexed.get(document_id) or archived.get(document_id):
                document = msgspec.json.decode(entry.body, type=Document)
                found[document_id] = Earlier(
                    taken_at=entry.taken_at,
                    version=entry.version,
                    tags=tags_of(document.anomaly_details),
                    is_spot=document.kind == "reading",
                    in_index=document_id in indexed,
                    in_archive=document_id in archived,
                )
        return found

    def held(self) -> dict[str, list[tuple[str, int, int]]]:
        """By store, the document, version and time of everything in it, in order."""
        stores = {"index": self.index.values(), "archive": self.archive.values()}
        return {
            name: sorted((each.document_id, each.version, each.taken_at) for each in entries)
            for name, entries in stores.items()
        }


def _is_gone(entry: Entry | None, removal: Removal) -> bool:
    return entry is not None and entry.version <= removal.version
