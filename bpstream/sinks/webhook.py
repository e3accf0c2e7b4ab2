"""Alert events to a webhook: a POST for each, signed, in their order."""

import hashlib
import hmac
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Self

import msgspec
from tenacity.wait import wait_base

from bpstream.alert import Alert
from bpstream.document import Refused
from bpstream.sinks.post import ATTEMPTS, PAUSES, TIMEOUT, Post


class Webhook:
    """Sends each event as it stands, in headers its ``Idempotency-Key`` and signature.

    The key, ``<alert_id>:<state>:<severity>``, is the same whenever the same event is sent
    again: after a crash, a lost answer, or a later event of the batch that was not taken.

    With a secret, ``X-BPStream-Signature`` is ``sha256=`` and the HMAC-SHA256, in hex, of
    ``X-BPStream-Timestamp`` (seconds since 1970), a full stop and the body.  Each attempt is
    signed anew, so the receiver may refuse what was signed long ago.
    """

    def __init__(
        self,
        url: str,
        *,
        secret: str = "",
        timeout: float = TIMEOUT,
        attempts: int = ATTEMPTS,
        pauses: wait_base = PAUSES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Send to `url`, each event up to `attempts` times, `pauses` and `timeout` in seconds.

        Makes no request: a webhook that is away is no reason not to start.  Raises
        :class:`StartError` where `url` is none that can be sent to.
        """
        self._post = Post(url, timeout=timeout, attempts=attempts, pauses=pauses, secret=secret)
        self._secret, self._clock = secret.encode(), clock

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; a later call opens them again."""
        await self._post.close()

    async def write(self, events: Sequence[bytes]) -> list[Refused]:
        """Return once every event is taken, or refused for good; else raise SinkError.

        An event is an :class:`Alert` as JSON.  After a SinkError write the batch again: what
        was taken of it is sent again too.
        """
        refused = []
        for position, event in enumerate(events):
            try:
                key = _key(event)
            except (ValueError, RecursionError) as error:
                reason = f"no alert event: {error}"
            else:
                reason = await self._post.send(event, partial(self._headers, event, key))
            if reason:
                refused.append(Refused(position, reason))
        return refused

    def _headers(self, body: bytes, key: str) -> dict[str, str]:
        headers = {"Idempotency-Key": key}
        if self._secret:
            timestamp = str(int(self._clock()))
            signed = hmac.new(self._secret, b"%b.%b" % (timestamp.encode(), body), hashlib.sha256)
            headers["X-BPStream-Timestamp"] = timestamp
            headers["X-BPStream-Signature"] = f"sha256={signed.hexdigest()}"
        return headers


def _key(event: bytes) -> str:
    key = msgspec.json.decode(event, type=Alert).key
    if not (key.isascii() and key.isprintable()):
        raise ValueError(f"{key!r} cannot stand in a header")
    return key
