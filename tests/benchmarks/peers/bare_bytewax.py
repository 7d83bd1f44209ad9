"""Bytewax' stateful count per shopper: in memory, without recovery, lost when it ends.

python -m bytewax.run bare_bytewax:flow
"""

import bytewax.operators as op
import orjson
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from meter import BROKER, EVENTS_TOPIC, OUTPUT_EVERY, OUTPUT_TOPIC, Meter

Event = dict[str, str]
Counts = dict[str, int]
meter = Meter()


def decoded(message: KafkaSourceMessage) -> tuple[str, Event]:
    event = orjson.loads(message.value)
    return event["user_id"], event


def counted(counts: Counts | None, event: Event) -> tuple[Counts, tuple[int, Event]]:
    """Count per category, and all together under an empty name."""
    counts = counts or {}
    category = event["category"]
    counts[category] = counts.get(category, 0) + 1
    counts[""] = seen = counts.get("", 0) + 1
    meter.count()
    return counts, (seen, event)


def output(keyed: tuple[str, tuple[int, Event]]) -> KafkaSinkMessage | None:
    user, (seen, event) = keyed
    if seen % OUTPUT_EVERY:
        return None
    value = {"user_id": user, "count": seen, "event_id": event["event_id"]}
    return KafkaSinkMessage(user.encode(), orjson.dumps(value))


flow = Dataflow("count")
events = op.input("events", flow, KafkaSource([BROKER], [EVENTS_TOPIC], tail=True))
keyed = op.map("decode", events, decoded)
counts = op.stateful_map("count", keyed, counted)
op.output("outputs", op.filter_map("output", counts, output), KafkaSink([BROKER], OUTPUT_TOPIC))
