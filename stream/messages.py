"""Every message on every topic. These Structs are the schemas: `make schemas` writes them out."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

# The topics that carry them.
EVENTS = "behavior-events"
ALERTS = "migration-alerts"
DELTAS = "recommendation-deltas"
UPDATES = "shop-updates"
FLOWS = "category-flows"
FORECASTS = "demand-forecasts"
DEAD_LETTERS = "dead-letters"

FORGET = "forget"
"""The event_type of a request to forget a shopper."""

Pattern = Literal["gain", "move", "restart"]
Period = Literal["day", "week", "month", "quarter"]
Series = Literal["purchases", "views"]
Because = Literal[
    "follows", "precedes", "connected", "similar", "category", "new", "recent", "searched"
]

Name = Annotated[str, Meta(min_length=1)]
# Without a limit, a list of twenty could be too large for any topic.
GivenName = Annotated[str, Meta(min_length=1, max_length=512)]
Fraction = Annotated[float, Meta(ge=0, le=1)]
NaturalNumber = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(description="Unix seconds")]
Time = Annotated[
    int | float | str,
    Meta(description="Unix seconds, milliseconds (from 1e11 up) or an RFC 3339 string"),
]


class BasketItem(Struct, frozen=True, omit_defaults=True, gc=False):
    """One item of an event that touches several."""

    item_id: GivenName | None = None
    category: GivenName | None = None
    position: int | None = None
    price: float | None = None
    quantity: float | None = None


class BehaviorEvent(Struct, frozen=True, omit_defaults=True, gc=False):
    """A shopper did something. Key: user_id. Topic: behavior-events.

    `event_type` follows GA4's e-commerce events; settings map other names. With
    `items`, the event counts as several of one record, in order. The type `forget` asks to
    forget the shopper: see forget-request.
    """

    user_id: GivenName
    event_type: GivenName
    occurred_at: Time
    item_id: GivenName | None = None
    category: GivenName | None = None
    event_id: GivenName | None = None
    session_id: GivenName | None = None
    items: list[BasketItem] | None = None
    price: float | None = None
    currency: str | None = None
    quantity: float | None = None
    rating: float | None = None
    brand: str | None = None
    query: str | None = None
    list_id: Annotated[
        str | None,
        Meta(description="the id of the recommendation delta that was shown, or clicked"),
    ] = None
    position: Annotated[
        int | None, Meta(description="where in that list the item stood, counted from 0")
    ] = None
    promotion_id: str | None = None
    marketing: Annotated[
        bool | None,
        Meta(
            description="false: the shopper is not to be contacted, until an event says true; "
            "alerts carry it"
        ),
    ] = None
    properties: dict[str, object] | None = None


class ForgetRequest(Struct, frozen=True, kw_only=True):
    """Forget a shopper. Key: user_id. Topic: behavior-events, each of its partitions.

    It takes effect at its place among the shopper's events: who acts later begins anew.
    """

    event_type: Literal["forget"] = "forget"
    user_id: GivenName
    occurred_at: Annotated[Time, Meta(description="when it was asked for")]


class CatalogItem(Struct, frozen=True, omit_defaults=True):
    """What the shop says of an item: a line of a catalog file. The last one of an item counts."""

    item_id: GivenName
    category: GivenName | None = None
    title: Annotated[str, Meta(max_length=1024)] | None = None
    brand: Annotated[str, Meta(max_length=256)] | None = None
    price: float | None = None
    vectors: Annotated[
        dict[GivenName, Annotated[list[float], Meta(min_length=1, max_length=4096)]] | None,
        Meta(description="embeddings by their source (text, image, audio, ...), of any size"),
    ] = None
    in_stock: bool = True
    blocked: Annotated[bool, Meta(description="never to be recommended")] = False
    adult: bool = False


class CatalogCategory(Struct, frozen=True, omit_defaults=True):
    """What the shop calls a category, and what it belongs to: a line of a catalog file."""

    category: GivenName
    name: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    parent: GivenName | None = None


class CatalogEntries(Struct, frozen=True, tag_field="kind", tag="catalog", omit_defaults=True):
    """A piece of the shop's catalog. No key. Topic: shop-updates.

    All workers read it in one place of that log, so that their models stay alike.
    """

    items: list[CatalogItem] = []
    categories: list[CatalogCategory] = []


class ShareChange(Struct, frozen=True, gc=False):
    """A category's share of a shopper's events before and after a move."""

    category: Name
    before: Fraction
    after: Fraction


MARKETING = "false: the shopper's events said so; leave the shopper out of every audience"


class MigrationAlert(Struct, frozen=True, tag_field="kind", tag="detected", kw_only=True):
    """A shopper's interest moved. Key: user_id. Topic: migration-alerts.

    The same records and settings always give the same alert under the same id.
    What to show now is the recommendation delta named by `delta_id`.
    """

    id: Name
    revision: NaturalNumber = 0
    scope: Literal["user"] = "user"
    user_id: Name
    from_category: Annotated[Name, Meta(description="what lost the largest share")]
    to_category: Annotated[Name, Meta(description="what gained the largest share")]
    pattern: Annotated[
        Pattern,
        Meta(description="one category grew; it took from another; most is new"),
    ]
    strength: Annotated[
        Fraction, Meta(description="total variation distance between the mixes before and after")
    ]
    score: Annotated[
        Fraction,
        Meta(description="rank of the evidence, from 0 to 1; not a calibrated probability"),
    ]
    confidence: Annotated[
        Fraction | None,
        Meta(description="chance that a true change is behind it; only with a calibration"),
    ] = None
    prior: Annotated[
        float | None, Meta(description="true changes an event that `confidence` assumes")
    ] = None
    evidence: Annotated[
        float, Meta(description="the detector's statistic T; it exceeds `threshold`")
    ]
    threshold: float
    changes: Annotated[list[ShareChange], Meta(description="the shares that changed most")]
    occurred_at: Annotated[Seconds, Meta(description="last event of the session that tipped it")]
    began_at: Annotated[Seconds, Meta(description="when the change began, estimated")]
    session_started_at: Seconds
    session_events: NaturalNumber
    source: Annotated[
        Literal["sessions", "ring"],
        Meta(description="what tipped it: the sum over sessions, or the last 50 events"),
    ] = "sessions"
    returns_to: Annotated[
        Name | None, Meta(description="the alert of the move that this one takes back")
    ] = None
    marketing: Annotated[bool, Meta(description=MARKETING)] = True
    chance_share: Annotated[
        Fraction | None,
        Meta(
            description="of all shoppers alarmed at this budget in the calibration's history, "
            "the share that chance alone explains"
        ),
    ] = None
    delta_id: Name
    source_offset: NaturalNumber
    settings: Annotated[Name, Meta(description="fingerprint of the settings")]


class PredictedAlert(Struct, frozen=True, tag_field="kind", tag="predicted", kw_only=True):
    """A shopper is about to move to a category. Key: user_id. Topic: migration-alerts.

    Within the horizon's period the category is expected among the shopper's three
    largest, of which it is none now. An outcome alert follows when the period is over.
    """

    id: Name
    revision: NaturalNumber = 0
    scope: Literal["user"] = "user"
    user_id: Name
    from_category: Annotated[
        Name | None, Meta(description="the category that speaks most for it; null for none")
    ]
    to_category: Name
    probability: Annotated[Fraction, Meta(description="that it comes true in this period")]
    horizon: Period
    period_ends_at: Annotated[Seconds, Meta(description="of the shop's calendar")]
    precision: Annotated[
        Fraction,
        Meta(description="of matured predictions as sure as this one, the share that came"),
    ]
    matured: Annotated[NaturalNumber, Meta(description="predictions that `precision` rests on")]
    marketing: Annotated[bool, Meta(description=MARKETING)] = True
    occurred_at: Annotated[Seconds, Meta(description="the event at which it was predicted")]
    source_offset: NaturalNumber
    settings: Annotated[Name, Meta(description="fingerprint of the settings")]


class PredictionOutcome(Struct, frozen=True, tag_field="kind", tag="outcome", kw_only=True):
    """What became of a predicted alert. Key: user_id. Topic: migration-alerts."""

    id: Name
    revision: NaturalNumber = 0
    scope: Literal["user"] = "user"
    user_id: Name
    predicted_id: Annotated[Name, Meta(description="the predicted alert that this one settles")]
    to_category: Name
    probability: Fraction
    horizon: Period
    came_true: bool
    occurred_at: Annotated[Seconds, Meta(description="when the period ended")]
    source_offset: NaturalNumber
    settings: Annotated[Name, Meta(description="fingerprint of the settings")]


class FlowSource(Struct, frozen=True, gc=False):
    """Where a rising category's shoppers came from, or a falling one's went to."""

    category: Name
    shoppers: NaturalNumber
    share: Annotated[Fraction, Meta(description="of all who came, or went, in the window")]


class PopulationAlert(Struct, frozen=True, tag_field="kind", tag="population", kw_only=True):
    """The shop's interest moves. Key: category. Topic: migration-alerts.

    `rising` and `falling` compare who came to a category with the window before. `flow`
    says that one category leads to another more than before, beyond what the rest of the
    shop does. A correction has the same id and a higher revision: keep the highest. Who moves
    in from two categories counts twice; none rests on fewer moves than the setting `min_users`.
    """

    id: Name
    revision: NaturalNumber = 0
    scope: Literal["population"] = "population"
    direction: Literal["rising", "falling", "flow"]
    category: Annotated[Name, Meta(description="what rises, falls, or is led to")]
    from_category: Annotated[Name | None, Meta(description="of a flow: what leads there")] = None
    sources: Annotated[
        list[FlowSource], Meta(description="the largest flows in, or out of what falls")
    ]
    shoppers: Annotated[
        NaturalNumber | None,
        Meta(
            description="of the flow, or all who came; on two ways, one is two; "
            "null for fewer than `min_users`"
        ),
    ]
    shoppers_before: Annotated[
        NaturalNumber | None, Meta(description="the same, the window before")
    ]
    ratio: Annotated[float, Meta(ge=0, description="of its share of all moves, now to before")]
    z: Annotated[float, Meta(description="the test statistic, in standard deviations")]
    false_discovery_rate: Annotated[Fraction, Meta(description="the setting it passed")]
    window_started_at: Seconds
    window_ends_at: Seconds
    complete: Annotated[
        bool, Meta(description="false: some partition was idle and its clock not waited for")
    ]
    withdrawn: Annotated[
        bool, Meta(description="a correction: with what came late, the test is not passed")
    ] = False
    settings: Annotated[Name, Meta(description="fingerprint of the settings")]


Alert = MigrationAlert | PredictedAlert | PredictionOutcome | PopulationAlert
"""What stands on the topic migration-alerts; the field `kind` tells which."""


class Reason(Struct, frozen=True, omit_defaults=True, gc=False):
    """Why an item is in a list: the largest part of its score, and that part's share."""

    because: Annotated[
        Because,
        Meta(
            description="it often follows `item_id`; it often precedes it; it goes with what "
            "goes with it; its factors fit the shopper's recent items; `category` is likely next, "
            "and sells it; it is new there and fits; the shopper had it before; `category` is what "
            "the shopper searched for, and sells it"
        ),
    ]
    share: Fraction
    item_id: Name | None = None
    category: Name | None = None


class RankedItem(Struct, frozen=True, gc=False):
    """One entry of a list, best first."""

    item_id: Name
    score: float
    reason: Reason


class Moved(Struct, frozen=True, gc=False):
    """An item's place in the last list and in this one, counted from 0."""

    item_id: Name
    before: NaturalNumber
    now: NaturalNumber


class RecommendationDelta(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What changed in a shopper's list, and the whole list. Key: user_id.

    Topic: recommendation-deltas. Keep the one with the highest `sequence`: a repeat
    after a crash may differ. What you show of it, and what is clicked, tell in events
    (view_item_list, select_item) with this `id` as their `list_id`.
    """

    id: Name
    user_id: Name
    sequence: Annotated[NaturalNumber, Meta(description="offset of the record that caused it")]
    occurred_at: Seconds
    full: Annotated[bool, Meta(description="entered, left and moved are against an empty list")]
    items: list[RankedItem]
    entered: list[Name]
    left: list[Name]
    moved: list[Moved]
    model_position: Annotated[int, Meta(description="records of shop-updates the list knew of")]
    alert_id: Annotated[Name | None, Meta(description="the detected alert that asked for it")] = (
        None
    )
    settings: Name


class InterestShare(Struct, frozen=True, gc=False):
    """How much of a shopper's interest is in a category, half of it as of late."""

    category: Name
    share: Fraction


class Ranking(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A list made when a worker was asked for it at `/rank`. It is on no topic.

    `items` are as in recommendation deltas, and no older than those of a `sequence`
    up to `source_offset`.
    """

    user_id: Annotated[Name | None, Meta(description="null where nobody was named")] = None
    row: Annotated[
        Literal["memory", "disk", "none"],
        Meta(description="where the shopper's row was read; none: the shopper is new here"),
    ]
    occurred_at: Annotated[Seconds, Meta(description="the event time for which it was ranked")]
    items: list[RankedItem]
    interests: Annotated[list[InterestShare], Meta(description="the largest first")]
    partition: Annotated[NaturalNumber | None, Meta(description="the shopper's")] = None
    source_offset: Annotated[
        int | None, Meta(description="of the partition's last record that it knows of")
    ] = None
    model_position: Annotated[int, Meta(description="records of shop-updates that it knows of")]
    unknown: Annotated[
        list[Name], Meta(description="items and categories of the question that the shop lacks")
    ] = []
    settings: Name


class RankQuestion(
    Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """What `POST /rank` asks: a list for somebody of whom no more is known than this."""

    recent_items: Annotated[
        list[GivenName], Meta(max_length=512, description="looked at lately, newest first")
    ] = []
    category: Annotated[GivenName | None, Meta(description="where the shopper is now")] = None
    query: Annotated[
        Annotated[str, Meta(max_length=512)] | None,
        Meta(description="what the shopper just searched for"),
    ] = None
    k: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="entries, at most `list_size`, which it is if it is missing"),
    ] = None


class ShopUpdates(
    Struct, frozen=True, tag_field="kind", tag="events", kw_only=True, omit_defaults=True
):
    """What one batch of a partition taught about the shop. No key. Topic: shop-updates.

    Columns are packed little-endian arrays, one entry an event, or `recent` entries
    an event where said. They index `ids`, whose names are in `names` ("" where an
    earlier record had it). No user ids.
    """

    partition: NaturalNumber
    ids: Annotated[bytes, Meta(description="int64: xxh3 of the names of items and categories")]
    names: list[str]
    position: Annotated[
        bytes, Meta(description="int64: source offset * 1024 + place in the record")
    ]
    occurred_at: Annotated[bytes, Meta(description="float64: Unix seconds")]
    item: Annotated[bytes, Meta(description="int32: index into ids, -1 for none")]
    category: Annotated[bytes, Meta(description="int32: index into ids, -1 for none")]
    recent_items: Annotated[bytes, Meta(description="int32[5]: newest first, -1 for none")]
    recent_categories: Annotated[bytes, Meta(description="int32[5]: newest first, -1 for none")]
    step: Annotated[bytes, Meta(description="int8: 0 stay, 1 return, 2 enter a category, -1 none")]
    action: Annotated[bytes, Meta(description="int8: 0 view, 1 cart or wishlist, 2 purchase")]
    asked: Annotated[
        bytes, Meta(description="int32: which events, from 0, are the first after a search")
    ] = b""
    queries: Annotated[
        bytes,
        Meta(description="int32[16] for each of `asked`: hashed words of its query, -1 for none"),
    ] = b""


ShopRecord = ShopUpdates | CatalogEntries
"""What stands on the topic shop-updates; the field `kind` tells which."""


class CategoryFlow(Struct, frozen=True, tag_field="kind", tag="flow", kw_only=True):
    """Shoppers who went from one category to another in a window, as one partition counts.

    Key: kind, partition, window, from and to. Topic: category-flows. An absolute count:
    of one key the highest `source_offset` wins. A shopper counts once. A key without a value
    says that nobody needs the count any more.
    """

    partition: NaturalNumber
    window_started_at: Seconds
    window_ends_at: Seconds
    from_category: Name
    to_category: Name
    shoppers: NaturalNumber
    source_offset: NaturalNumber


class DemandCount(Struct, frozen=True, tag_field="kind", tag="demand", kw_only=True):
    """What was sold, or viewed, of a category or item on a day, as one partition counts.

    Key: kind, partition, day, series, category and item. Topic: category-flows. An
    absolute count: of one key the highest `source_offset` wins.
    """

    partition: NaturalNumber
    day: Annotated[str, Meta(description="YYYY-MM-DD in the shop's time zone")]
    series: Series
    category: Annotated[Name | None, Meta(description="null where the events name none")]
    item_id: Annotated[Name | None, Meta(description="null for the whole category")]
    quantity: Annotated[float, Meta(description="refunds taken off, to a thousandth")]
    source_offset: NaturalNumber


class PartitionClock(Struct, frozen=True, tag_field="kind", tag="clock", kw_only=True):
    """How far a partition's event time is. Key: kind and partition. Topic: category-flows."""

    partition: NaturalNumber
    partitions: Annotated[int, Meta(ge=1)]
    clock: Annotated[float, Meta(description="Unix seconds")]
    source_offset: NaturalNumber


class DemandForecast(Struct, frozen=True, kw_only=True):
    """What a category or item will sell in a period. Key: horizon, series, category and item.

    Topic: demand-forecasts. Made when the period before it closed. `wape` and `coverage`
    score the matured forecasts of this horizon and series, all categories together.
    """

    category: Name | None
    item_id: Name | None = None
    series: Series
    horizon: Period
    period_started_at: Seconds
    period_ends_at: Seconds
    expected: Annotated[float, Meta(ge=0, description="quantity, refunds taken off")]
    low: Annotated[float, Meta(ge=0)]
    high: Annotated[float, Meta(ge=0)]
    interval: Annotated[Fraction, Meta(description="how often low to high should hold the truth")]
    method: Annotated[Name, Meta(description="the expert that weighs most")]
    periods: Annotated[NaturalNumber, Meta(description="closed periods that it knows")]
    last: Annotated[float | None, Meta(description="what the last closed period sold")] = None
    wape: Annotated[
        float | None, Meta(description="sum of |error| / sum of what was sold, matured forecasts")
    ] = None
    coverage: Annotated[
        Fraction | None, Meta(description="how often the intervals held the truth so far")
    ] = None
    made_at: Annotated[
        Seconds, Meta(description="the start of the period: what it knows ends there")
    ]
    settings: Name


class DeadLetter(Struct, frozen=True, kw_only=True):
    """A record that was refused, with its address and the reason. Topic: dead-letters."""

    topic: Annotated[Name, Meta(description="or the file, in a replay from files")]
    partition: Annotated[int, Meta(description="-1 where a file has none")]
    offset: Annotated[NaturalNumber, Meta(description="or the line's number, from 1")]
    reason: Name
    key: Annotated[bytes | None, Meta(description="base64")]
    value: Annotated[bytes | None, Meta(description="base64")]
