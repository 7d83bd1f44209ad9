"""Write the JSON Schemas, the examples and asyncapi.yaml from the Structs in stream/messages.py.

`python schemas/generate.py` writes them, with `--check` it only says which are stale.
"""

import inspect
import json
import sys
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import yaml
from msgspec import Struct

from stream.core.ids import identify
from stream.messages import (
    BehaviorEvent,
    CatalogCategory,
    CatalogEntries,
    CatalogItem,
    CategoryFlow,
    DeadLetter,
    DemandCount,
    DemandForecast,
    FlowSource,
    ForgetRequest,
    InterestShare,
    MigrationAlert,
    Moved,
    PartitionClock,
    PopulationAlert,
    PredictedAlert,
    PredictionOutcome,
    RankedItem,
    Ranking,
    RankQuestion,
    Reason,
    RecommendationDelta,
    ShareChange,
    ShopUpdates,
)

HERE = Path(__file__).parent
JSON, MSGPACK = "application/json", "application/msgpack"
NAMES = ["i00012", "i00040", "tents", "sleeping bags"]


def packed(numbers: list[float], dtype: str) -> bytes:
    return np.array(numbers, dtype).tobytes()


EVENT = BehaviorEvent(
    user_id="u00137",
    event_type="view_item",
    occurred_at=1767226153.741,
    item_id="i00012",
    category="tents",
    session_id="u00137-1",
    price=178.9,
    currency="EUR",
    properties={"device": "phone"},
)
FORGET = ForgetRequest(user_id="u00137", occurred_at=1767312000.0)
ALERT = MigrationAlert(
    id="behavior-events-2-48211-detected-0",
    user_id="u00137",
    from_category="tents",
    to_category="strollers",
    pattern="move",
    strength=0.61,
    score=0.934,
    evidence=283_510.0,
    threshold=20_000.0,
    changes=[ShareChange("tents", 0.52, 0.08), ShareChange("strollers", 0.02, 0.55)],
    occurred_at=1768842513.2,
    began_at=1768521004.0,
    session_started_at=1768842201.5,
    session_events=7,
    delta_id="behavior-events-2-48211-delta-0",
    source_offset=48_211,
    settings="5d0c2f8b91e6a374",
)
PREDICTED = PredictedAlert(
    id="behavior-events-2-48211-predicted-0",
    user_id="u00137",
    from_category="tents",
    to_category="strollers",
    probability=0.34,
    horizon="day",
    period_ends_at=1768867200.0,
    precision=0.31,
    matured=412,
    occurred_at=1768845113.0,
    source_offset=48_211,
    settings="5d0c2f8b91e6a374",
)
OUTCOME = PredictionOutcome(
    id="behavior-events-2-51877-outcome-0",
    user_id="u00137",
    predicted_id="behavior-events-2-48211-predicted-0",
    to_category="strollers",
    probability=0.34,
    horizon="day",
    came_true=True,
    occurred_at=1768867200.0,
    source_offset=51_877,
    settings="5d0c2f8b91e6a374",
)
POPULATION = PopulationAlert(
    id="category-flows-0-1768435200-rising-6a1e83f09b7c42d5",
    direction="rising",
    category="strollers",
    sources=[FlowSource("tents", 37, 0.41), FlowSource("car seats", 12, 0.13)],
    shoppers=90,
    shoppers_before=41,
    ratio=2.1,
    z=4.3,
    false_discovery_rate=0.05,
    window_started_at=1768435200.0,
    window_ends_at=1769040000.0,
    complete=True,
    settings="5d0c2f8b91e6a374",
)
DELTA = RecommendationDelta(
    id="behavior-events-2-48211-delta-0",
    user_id="u00137",
    sequence=48_211,
    occurred_at=1768845113.0,
    full=False,
    items=[
        RankedItem("i00061", 1.42, Reason("follows", 0.71, "i00058")),
        RankedItem("i00058", 0.93, Reason("recent", 0.64)),
        RankedItem("i00066", 0.88, Reason("similar", 0.52)),
    ],
    entered=["i00061"],
    left=["i00012"],
    moved=[Moved("i00058", before=2, now=1), Moved("i00066", before=1, now=2)],
    model_position=1207,
    alert_id="behavior-events-2-48211-detected-0",
    settings="5d0c2f8b91e6a374",
)
RANKING = Ranking(
    user_id="u00137",
    row="memory",
    occurred_at=1768845113.0,
    items=[
        RankedItem("i00061", 0.14, Reason("follows", 0.71, "i00058")),
        RankedItem("i00058", 0.09, Reason("recent", 1.0)),
    ],
    interests=[InterestShare("strollers", 0.61), InterestShare("tents", 0.39)],
    partition=2,
    source_offset=48_211,
    model_position=1207,
    settings="5d0c2f8b91e6a374",
)
QUESTION = RankQuestion(recent_items=["i00058", "i00040"], category="strollers", k=10)
UPDATES = ShopUpdates(
    partition=2,
    ids=packed([identify(name) for name in NAMES], "<i8"),
    names=NAMES,
    position=packed([48_210 * 1024, 48_211 * 1024], "<i8"),
    occurred_at=packed([1768845101.0, 1768845113.0], "<f8"),
    item=packed([0, 1], "<i4"),
    category=packed([2, 3], "<i4"),
    recent_items=packed([-1, -1, -1, -1, -1, 0, -1, -1, -1, -1], "<i4"),
    recent_categories=packed([-1, -1, -1, -1, -1, 2, -1, -1, -1, -1], "<i4"),
    step=packed([-1, 2], "i1"),
    action=packed([0, 1], "i1"),
)
FLOW = CategoryFlow(
    partition=2,
    window_started_at=1768780800.0,
    window_ends_at=1769385600.0,
    from_category="tents",
    to_category="strollers",
    shoppers=37,
    source_offset=48_211,
)
DEMAND = DemandCount(
    partition=2,
    day="2026-01-19",
    series="purchases",
    category="strollers",
    item_id=None,
    quantity=4.0,
    source_offset=48_211,
)
CLOCK = PartitionClock(partition=2, partitions=4, clock=1768845113.0, source_offset=48_211)
FORECAST = DemandForecast(
    category="strollers",
    series="purchases",
    horizon="week",
    period_started_at=1769385600.0,
    period_ends_at=1769990400.0,
    expected=182.0,
    low=151.0,
    high=216.0,
    interval=0.8,
    method="half-life of 2 weeks",
    periods=31,
    last=174.0,
    wape=0.141,
    coverage=0.79,
    made_at=1769385600.0,
    settings="5d0c2f8b91e6a374",
)
LETTER = DeadLetter(
    topic="behavior-events",
    partition=3,
    offset=1207,
    reason="Expected `str` of length >= 1 - at `$.user_id`",
    key=b"",
    value=b'{"user_id":"","event_type":"view_item","occurred_at":1767226153}',
)
ITEM = CatalogItem(
    item_id="i00012",
    category="tents",
    title="Nordhal tent 610",
    brand="Nordhal",
    price=178.9,
    vectors={"image": [0.12, -0.48, 0.07]},
)
ENTRIES = CatalogEntries([ITEM], [CatalogCategory("tents", "Tents and tarps", "outdoor")])


class Described(NamedTuple):
    """A message, where it is found, and a real-looking one."""

    name: str
    """Of the topic, or of the file."""
    example: Struct
    key: str | None = None
    """What a record's key is, where records have one."""
    does: tuple[str, ...] = ()
    """What the engine does with it: receive, send, or nothing yet."""
    content: str = JSON
    is_topic: bool = True
    others: tuple[tuple[str, Struct], ...] = ()
    """Further kinds of message on the topic, by what their example's file is called."""


MESSAGES = (
    Described("behavior-events", EVENT, "The shopper's user_id, as UTF-8.", ("receive",)),
    Described(
        "migration-alerts",
        ALERT,
        "The shopper's user_id, or the category of a population alert, as UTF-8.",
        ("send",),
        others=(("predicted", PREDICTED), ("outcome", OUTCOME), ("population", POPULATION)),
    ),
    Described("recommendation-deltas", DELTA, "The shopper's user_id, as UTF-8.", ("send",)),
    Described(
        "shop-updates",
        UPDATES,
        None,
        ("send", "receive"),
        MSGPACK,
        others=(("catalog", ENTRIES),),
    ),
    Described("dead-letters", LETTER, "The key of the refused record.", ("send",)),
    Described(
        "category-flows",
        FLOW,
        "A JSON list of the kind, the partition, and what is counted.",
        ("send", "receive"),
        others=(("demand", DEMAND), ("clock", CLOCK)),
    ),
    Described(
        "demand-forecasts",
        FORECAST,
        "A JSON list of the horizon, the series, the category and the item.",
        ("send",),
    ),
    Described("catalog-item", ITEM, is_topic=False),
    Described("rank-question", QUESTION, is_topic=False),
    Described("ranking", RANKING, is_topic=False),
    Described("forget-request", FORGET, is_topic=False),
)
HEADERS = {
    "ce_specversion": ("1.0", "The version of CloudEvents, in Kafka's binary mode."),
    "ce_id": (None, "topic-partition-offset-kind-n of the cause: a repeat has the same."),
    "ce_type": ("interest-drift.{kind}.v1", "What the record is."),
    "ce_source": (None, "/interest-drift/topic/partition of the cause."),
    "ce_time": (None, "Event time, RFC 3339; dead letters and counts have none."),
    "content-type": ("{content}", "How the value is written."),
}
KINDS = {
    "migration-alerts": "migration-alert",
    "recommendation-deltas": "recommendation-delta",
    "category-flows": "category-flow",
    "demand-forecasts": "demand-forecast",
    "shop-updates": "shop-updates",
    "dead-letters": "dead-letter",
}


def example(message: Described) -> object:
    """The real-looking message as JSON has it."""
    return json.loads(msgspec.json.encode(message.example))


def schema(message: Described) -> dict[str, object]:
    """The JSON Schema of a message."""
    head: dict[str, object] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:interest-drift:v1:{message.name}",
    }
    kinds: object = type(message.example)
    for _, other in message.others:
        kinds = kinds | type(other)  # type: ignore[operator]  # a class or a union of some
    cleaned = _cleaned(msgspec.json.schema(kinds, schema_hook=_anything))
    assert isinstance(cleaned, dict)
    return head | cleaned


def _anything(kind: type) -> dict[str, object]:
    """The schema of `object`, which any JSON is."""
    if kind is object:
        return {"description": "any JSON"}
    raise NotImplementedError(kind)


def _cleaned(part: object) -> object:
    """The same with descriptions that are not indented as docstrings are."""
    if isinstance(part, list):
        return [_cleaned(entry) for entry in part]
    if not isinstance(part, dict):
        return part
    return {
        name: inspect.cleandoc(value)
        if name == "description" and isinstance(value, str)
        else _cleaned(value)
        for name, value in part.items()
    }


def asyncapi() -> dict[str, object]:
    """The AsyncAPI 3.0 document of all topics."""
    topics = [message for message in MESSAGES if message.is_topic]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "interest-drift",
            "version": "1.0.0",
            "description": "A streaming interest-drift engine for shops, on Kafka.",
            "license": {
                "name": "Apache-2.0",
                "url": "https://www.apache.org/licenses/LICENSE-2.0",
            },
        },
        "defaultContentType": JSON,
        "servers": {
            "local": {
                "host": "127.0.0.1:9092",
                "protocol": "kafka",
                "description": "What `drift broker` runs.",
            }
        },
        "channels": {message.name: _channel(message) for message in topics},
        "operations": dict(operation for message in topics for operation in _operations(message)),
        "components": {"messages": {_title(message): _message(message) for message in topics}},
    }


def _title(message: Described) -> str:
    return type(message.example).__name__


def _summary(message: Described) -> str:
    return inspect.cleandoc(type(message.example).__doc__ or "").splitlines()[0]


def _channel(message: Described) -> dict[str, object]:
    title = _title(message)
    channel: dict[str, object] = {
        "address": message.name,
        "description": _summary(message),
        "messages": {title: {"$ref": f"#/components/messages/{title}"}},
    }
    if message.name == "shop-updates":
        channel["bindings"] = {"kafka": {"partitions": 1, "bindingVersion": "0.5.0"}}
    return channel


def _operations(message: Described) -> list[tuple[str, dict[str, object]]]:
    return [
        (
            f"{action}-{message.name}",
            {
                "action": action,
                "channel": {"$ref": f"#/channels/{message.name}"},
                "messages": [{"$ref": f"#/channels/{message.name}/messages/{_title(message)}"}],
            },
        )
        for action in message.does
    ]


def _message(message: Described) -> dict[str, object]:
    described: dict[str, object] = {
        "name": _title(message),
        "summary": _summary(message),
        "contentType": message.content,
        "payload": {"$ref": f"./v1/{message.name}.schema.json"},
        "examples": [
            {"payload": json.loads(msgspec.json.encode(one))}
            for one in (message.example, *(other for _, other in message.others))
        ],
    }
    if message.name in KINDS:
        described["headers"] = _headers(message)
    if message.key:
        key = {"type": "string", "description": message.key}
        described["bindings"] = {"kafka": {"key": key, "bindingVersion": "0.5.0"}}
    return described


def _headers(message: Described) -> dict[str, object]:
    properties: dict[str, object] = {}
    for name, (value, description) in HEADERS.items():
        properties[name] = {"type": "string", "description": description}
        if value:
            const = value.format(kind=KINDS[message.name], content=message.content)
            properties[name] = {"type": "string", "const": const, "description": description}
    timeless = message.name in ("dead-letters", "category-flows")
    required = [name for name in HEADERS if name != "ce_time" or not timeless]
    return {"type": "object", "properties": properties, "required": required}


def files() -> dict[str, bytes]:
    """Everything generated: its path below schemas/, and its bytes."""
    written = {"asyncapi.yaml": _yaml(asyncapi())}
    for message in MESSAGES:
        written[f"v1/{message.name}.schema.json"] = _json(schema(message))
        written[f"examples/{message.name}.json"] = _json(example(message))
        for name, other in message.others:
            encoded = json.loads(msgspec.json.encode(other))
            written[f"examples/{message.name}-{name}.json"] = _json(encoded)
    return written


def _json(value: object) -> bytes:
    return json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n"


def _yaml(value: object) -> bytes:
    head = "# Generated by `make schemas` from stream/messages.py.\n"
    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)
    return (head + text).encode()


def stale() -> list[str]:
    """The generated files that differ from what is on disk, or lack there, or are left over."""
    wanted = files()
    found = {
        str(path.relative_to(HERE)): path.read_bytes()
        for pattern in ("asyncapi.yaml", "v1/*.json", "examples/*.json")
        for path in HERE.glob(pattern)
    }
    return sorted(n for n in wanted.keys() | found.keys() if wanted.get(n) != found.get(n))


def write() -> None:
    for name, content in files().items():
        path = HERE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def main(arguments: list[str]) -> int:
    if arguments == ["--check"]:
        for name in stale():
            print(f"schemas/{name} is stale: run make schemas", file=sys.stderr)
        return int(bool(stale()))
    if arguments:
        print(f"usage: generate.py [--check], got {' '.join(arguments)}", file=sys.stderr)
        return 2
    write()
    print(f"wrote {len(files())} files under schemas/")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
