"""Faust as its documentation shows it: one event at a time, counts in a RocksDB table.

python stock_faust.py worker -l info
"""

from collections.abc import AsyncIterator
from typing import Any

import faust
from meter import BROKER, EVENTS_TOPIC, FOLDER, OUTPUT_EVERY, OUTPUT_TOPIC, Meter

PARTITIONS = 2

app = faust.App(
    f"bench-{FOLDER.name}",
    broker=f"kafka://{BROKER}",
    store="rocksdb://",
    datadir=str(FOLDER / "faust"),
    topic_partitions=PARTITIONS,
    topic_replication_factor=1,
    topic_disable_leader=True,
    web_enabled=False,
    key_serializer="raw",
    value_serializer="json",
)
events = app.topic(EVENTS_TOPIC, partitions=PARTITIONS)
outputs = app.topic(OUTPUT_TOPIC, partitions=PARTITIONS)
counts = app.Table(
    "counts", default=int, key_type=str, value_type=int, options={"driver": "rocksdict"}
)
meter = Meter()


@app.agent(events)
async def count(stream: AsyncIterator[dict[str, Any]]) -> None:
    async for event in stream:
        user = event["user_id"]
        counts[f"{user}|{event['category']}"] += 1
        counts[user] = seen = counts[user] + 1
        if seen % OUTPUT_EVERY == 0:
            output = {"user_id": user, "count": seen, "event_id": event["event_id"]}
            await outputs.send(key=user.encode(), value=output)
        meter.count()


if __name__ == "__main__":
    app.main()
