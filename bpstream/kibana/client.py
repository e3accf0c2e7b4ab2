"""What Kibana is asked: for its version, saved objects, connectors and rules."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Self

from tenacity.wait import wait_base

from bpstream.errors import StartError
from bpstream.kibana.connection import ATTEMPTS, PAUSES, Answer, Connection, told
from bpstream.kibana.saved import SavedObject, ndjson

_OLDEST = (8, 19)
# Kibana imports what the last minor version of the major before it exported.
_NEWEST_MAJOR = 9

_BAD_REQUEST, _NOT_FOUND, _CONFLICT = 400, 404, 409

_LONGEST_REASON = 500


class Kibana:
    """Asks the Kibana at `url`; every request is tried again while it is away or busy.

    Its methods raise :class:`StartError` where it refuses us or is not what it should be, and
    :class:`SinkError` where it stays away.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str = "",
        username: str = "",
        password: str = "",
        ca_file: str = "",
        attempts: int = ATTEMPTS,
        pauses: wait_base = PAUSES,
    ) -> None:
        """Make no request yet.  `url` may end with a base path and a space, ``/s/NAME``.

        `ca_file` holds the certificates (PEM) that Kibana's is checked against instead of the
        system's.  Raises :class:`StartError` where a part cannot be used.
        """
        self._connection = Connection(
            url,
            api_key=api_key,
            username=username,
            password=password,
            ca_file=ca_file,
            attempts=attempts,
            pauses=pauses,
        )
        self.url, self.space = self._connection.url, self._connection.space

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._connection.close()

    async def check(self) -> None:
        """Return if a Kibana answers that will do, and can keep rules."""
        status, answer = await self._connection.ask("GET", "/api/status", allowed=(_NOT_FOUND,))
        wanted = "Kibana 8.19 would do, with its base path where it has one"
        number = str((answer.get("version") or {}).get("number", ""))
        found = re.match(r"(\d+)\.(\d+)\.", number)
        if status == _NOT_FOUND or not found:
            raise StartError(f"{self.url} tells no version of Kibana; {wanted}")
        version = int(found[1]), int(found[2])
        if version < _OLDEST or version[0] > _NEWEST_MAJOR:
            raise StartError(f"{self.url} is Kibana {number}; {wanted}")
        _, health = await self._connection.ask("GET", "/api/alerting/_health")
        if health.get("has_permanent_encryption_key") is False:
            raise StartError(
                f"{self.url} cannot keep rules: "
                "set xpack.encryptedSavedObjects.encryptionKey (32 characters or more) in Kibana"
            )

    async def saved(self, kind: str, object_id: str) -> SavedObject | None:
        """A saved object as Kibana exports it, or None."""
        asked = {
            "objects": [{"type": kind, "id": object_id}],
            "includeReferencesDeep": False,
            "excludeExportDetails": True,
        }
        status, answer = await self._connection.ask(
            "POST", "/api/saved_objects/_export", body=asked, allowed=(_BAD_REQUEST,)
        )
        if status == _BAD_REQUEST:
            failed = (answer.get("attributes") or {}).get("objects") or [{}]
            if (failed[0].get("error") or {}).get("statusCode") == _NOT_FOUND:
                return None
            raise StartError(f"{self.url} does not export {kind} {object_id}: {told(answer)}")
        return answer

    async def save(self, objects: Sequence[SavedObject]) -> None:
        """Import the objects, each in the place of one with its id."""
        _, answer = await self._connection.ask(
            "POST", "/api/saved_objects/_import?overwrite=true", file=ndjson(objects).encode()
        )
        if not answer.get("success"):
            errors = answer.get("errors") or [{}]
            first = errors[0].get("error") or {}
            raise StartError(
                f"{self.url} did not take {errors[0].get('type')} {errors[0].get('id')}: "
                f"{json.dumps(first, ensure_ascii=False)[:_LONGEST_REASON]}"
            )
        for each in answer.get("successResults") or []:
            if each.get("destinationId", each["id"]) != each["id"]:
                raise StartError(
                    f"{self.url} keeps {each['type']} {each['id']} as {each['destinationId']}: "
                    "another space has the id already"
                )

    async def find(self, path: str) -> Answer | None:
        """What is at `path` (``/api/alerting/rule/ID``), or None."""
        status, answer = await self._connection.ask("GET", path, allowed=(_NOT_FOUND,))
        return None if status == _NOT_FOUND else answer

    async def create(self, path: str, body: Mapping[str, Any]) -> bool:
        """Make what is to be at `path`; False where it was there already.

        It may be our own: the answer to an earlier attempt may have been lost.
        """
        status, _ = await self._connection.ask("POST", path, body=body, allowed=(_CONFLICT,))
        return status != _CONFLICT

    async def change(self, path: str, body: Mapping[str, Any]) -> None:
        """Replace what is at `path`."""
        await self._connection.ask("PUT", path, body=body, later=(_CONFLICT,))

    async def call(self, path: str) -> None:
        """POST to `path`, with nothing to say."""
        await self._connection.ask("POST", path)
