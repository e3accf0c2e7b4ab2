"""What a browser's EventSource makes of the feed."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple


class Event(NamedTuple):
    kind: str
    id: str
    data: dict


@asynccontextmanager
async def listening(browser, root, *, last_event_id="", headers=None, **query):
    """The events of a feed, one after the other; left, the connection is closed."""
    headers = {**(headers or {}), **({"Last-Event-ID": last_event_id} if last_event_id else {})}
    async with browser.get(root / "feed", params=query, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "text/event-stream"
        yield events_of(answer)


async def events_of(answer) -> AsyncIterator[Event]:
    """The events of an answer until it ends."""
    held = b""
    async for part in answer.content.iter_any():
        *events, held = (held + part).split(b"\n\n")
        for event in events:
            fields = dict(line.split(": ", 1) for line in event.decode().split("\n"))
            yield Event(fields["event"], fields["id"], json.loads(fields["data"]))


def applied(whole: dict, change: dict) -> dict:
    """What a client shows after a change: the patients are those of the order."""
    after = whole | change
    known = {each["patient_id"]: each for each in whole.get("patients", [])}
    known |= {each["patient_id"]: each for each in change.get("patients", [])}
    after["patients"] = [known[patient_id] for patient_id in after["order"]]
    return after
