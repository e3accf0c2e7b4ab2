"""Wiring: the parts of a worker, put together once its topics are found."""

from collections.abc import Awaitable, Callable
from typing import Any

from faust.types import TP

from bpstream.pipeline import Pipeline
from bpstream.settings import Settings
from bpstream.stream.alerts import Alerts
from bpstream.stream.classifier import Classifier
from bpstream.stream.dead_letters import DeadLetters
from bpstream.stream.intake import Intake
from bpstream.stream.losses import Losses
from bpstream.stream.parsing import parser_of
from bpstream.stream.publish import partition_of
from bpstream.stream.stores import Archive, Index, Stores


def pipeline(settings: Settings, *, model: Any, alarms: Any, partitions: int) -> Pipeline:
    """The pipeline of `settings`, for an input topic of so many partitions."""
    return Pipeline(
        parser=parser_of(settings),
        model=model,
        alarms=alarms,
        home=lambda patient_id: partition_of(patient_id.encode(), partitions),
        topic=settings.topic,
        archive_all=settings.archive_readings == "all",
        index_all=settings.index_readings == "all",
    )


def stores_and_classifier(app: Any, archive: Archive, index: Index) -> tuple[Stores, Classifier]:
    """What takes a chunk of the app's topics to all its effects, and where these are kept."""
    settings, found = app.settings, app.found
    alerts = Alerts(
        app.publisher,
        topic=settings.alerts_topic,
        partitions=found.partitions,
        metrics=app.metrics,
    )
    intake = Intake(alerts, app.table, app_id=settings.app_id)
    stores = Stores(archive, index, health=app.health, metrics=app.metrics, on_paused=intake.paused)
    classifier = Classifier(
        pipeline=pipeline(
            settings, model=app.model, alarms=app.alarms, partitions=found.partitions
        ),
        table=app.table,
        stores=stores,
        publisher=app.publisher,
        dead_letters=DeadLetters(
            app.publisher,
            topic=settings.dead_letter_topic,
            source=settings.topic,
            partitions=found.partitions,
        ),
        alerts=alerts,
        intake=intake,
        losses=Losses(_bounds(app), app.metrics, topics=(settings.topic, settings.rekeyed_topic)),
        topics=found,
        rekeyed_topic=settings.rekeyed_topic,
        enriched_topic=settings.enriched_topic,
        metrics=app.metrics,
        generation=lambda: app.consumer_generation_id,
        on_error=app.stop_worker,
    )
    return stores, classifier


def _bounds(app: Any) -> Callable[[str, int], Awaitable[tuple[int, int]]]:
    async def bounds(topic: str, partition: int) -> tuple[int, int]:
        tp = TP(topic, partition)
        first = await app.consumer.earliest_offsets(tp)
        end = await app.consumer.highwaters(tp)
        return int(first[tp]), int(end[tp])

    return bounds
