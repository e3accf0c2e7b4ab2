"""Wiring: the parts of a worker, put together once its topics are found."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from faust.types import TP

from bpstream.pipeline import Pipeline
from bpstream.release import Release
from bpstream.settings import Settings
from bpstream.silence import Silence
from bpstream.stream import alert_history, intake
from bpstream.stream.alerts import Alerts
from bpstream.stream.classifier import Classifier
from bpstream.stream.dead_letters import DeadLetters
from bpstream.stream.desk import Desk
from bpstream.stream.followed import Book, Followed
from bpstream.stream.intake import Intake
from bpstream.stream.losses import Losses
from bpstream.stream.parsing import parser_of
from bpstream.stream.partitioner import partitions_of
from bpstream.stream.reminders import Reminders
from bpstream.stream.stores import Archive, Index, Stores
from bpstream.stream.ward import WardAlarms
from bpstream.texts import Texts


def pipeline(
    settings: Settings,
    *,
    model: Any,
    alarms: Any,
    partitions: int,
    step_bytes: int | None = None,
) -> Pipeline:
    """The pipeline of `settings`, for an input topic of so many partitions."""
    return Pipeline(
        parser=parser_of(settings),
        model=model,
        alarms=alarms,
        home=lambda patient_ids: partitions_of(Texts.of(patient_ids).utf8, partitions),
        topic=settings.topic,
        archive_all=settings.archive_readings == "all",
        index_all=settings.index_readings == "all",
        step_bytes=step_bytes,
    )


def ward_alarms(app: Any, alerts: Alerts) -> WardAlarms:
    """What judges the readings of all the workers together."""
    return WardAlarms(
        app.alarms,
        app.settings,
        table=app.table,
        alerts=alerts,
        publisher=app.publisher,
        is_current=app.is_current,
    )


def stores_and_classifier(
    app: Any, archive: Archive, index: Index, alerts: Alerts
) -> tuple[Stores, Classifier]:
    """What takes a chunk of the app's topics to all its effects, and where these are kept."""
    settings, found = app.settings, app.found
    intake = Intake(alerts, app.table, app_id=settings.app_id)
    stores = Stores(archive, index, health=app.health, metrics=app.metrics, on_paused=intake.paused)
    classifier = Classifier(
        pipeline=pipeline(
            settings,
            model=app.model,
            alarms=app.alarms,
            partitions=found.partitions,
            step_bytes=found.step_bytes,
        ),
        silence=Silence(app.alarms),
        release=Release(
            app.alarms,
            lambda alert_id, severity: app.said.acknowledgement(alert_id, severity) is not None,
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
        traces=app.traces,
    )
    return stores, classifier


class People(NamedTuple):
    """What takes, keeps and heeds what people say."""

    followed: Followed
    alerts: Alerts
    desk: Desk
    reminders: Reminders


def people_of(app: Any) -> People:
    """What people say of the app's alerts and patients, taken in and heeded."""
    settings, found = app.settings, app.found
    books: dict[str, Book] = {
        settings.limits_topic: app.limits,
        settings.acknowledgements_topic: app.said,
    }
    followed = Followed(
        settings,
        books,
        partitions={topic: found.of(topic) for topic in books},
        publisher=app.publisher,
        health=app.health,
    )

    async def forget(alert_ids: Sequence[str]) -> None:
        keys = [alert_id.encode() for alert_id in alert_ids]
        await followed.forget(settings.acknowledgements_topic, keys)

    alerts = Alerts(
        app.publisher,
        topic=settings.alerts_topic,
        partitions=found.partitions,
        metrics=app.metrics,
        said=app.said,
        forget=forget,
        # A line of text is for a person; JSON goes to where logs are collected.
        log_patients=settings.log == "text",
    )
    desk = Desk(
        settings,
        patients=app.patients,
        alerts=alerts,
        followed=followed,
        limits=app.limits,
        said=app.said,
        defaults=app.patients.default_limits,
        rules=[*(rule.name for rule in app.alarms.rules), intake.RULE],
        history=partial(alert_history.events, settings, partitions=found.of(settings.alerts_topic)),
    )
    reminders = Reminders(app.patients, alerts, every=settings.remind_after)
    return People(followed, alerts, desk, reminders)


def _bounds(app: Any) -> Callable[[str, int], Awaitable[tuple[int, int]]]:
    async def bounds(topic: str, partition: int) -> tuple[int, int]:
        tp = TP(topic, partition)
        first = await app.consumer.earliest_offsets(tp)
        end = await app.consumer.highwaters(tp)
        return int(first[tp]), int(end[tp])

    return bounds
