"""Every setting, in one frozen object: from a TOML file, DRIFT_* variables and flags."""

import hashlib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, Struct, field

from stream.calibration import Calibration, read_calibration
from stream.errors import WrongUse
from stream.messages import FORGET
from stream.pseudonyms import UserIdKey

DAY = 86_400.0

Positive = Annotated[float, Meta(gt=0)]
Share = Annotated[float, Meta(gt=0, le=1)]
Name = Annotated[str, Meta(min_length=1)]
Slots = Annotated[int, Meta(ge=2, le=512)]
Count = Annotated[int, Meta(ge=1)]
NotNegative = Annotated[float, Meta(ge=0)]
Horizon = Literal["day", "week", "month", "quarter"]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]

# GA4's names, and what other logs call the same things.
EVENT_TYPES = {
    "view": "view_item",
    "pv": "view_item",
    "click": "select_item",
    "impression": "view_item_list",
    "cart": "add_to_cart",
    "addtocart": "add_to_cart",
    "fav": "add_to_wishlist",
    "favorite": "add_to_wishlist",
    "wishlist": "add_to_wishlist",
    "buy": "purchase",
    "transaction": "purchase",
    "remove": "remove_from_cart",
    "return": "refund",
}
WEIGHTS = {
    "view_item": 1.0,
    "select_item": 1.0,
    "search": 1.0,
    "add_to_wishlist": 2.0,
    "add_to_cart": 3.0,
    "purchase": 5.0,
    "remove_from_cart": 0.0,
    "refund": 0.0,
    "view_item_list": 0.0,
    "view_promotion": 0.0,
    "select_promotion": 0.0,
}


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an operator can set. Times are seconds of event time unless said otherwise.

    All but those in `RUNTIME` change what the stored state means.
    """

    # Events
    event_types: dict[str, str] = field(default_factory=dict)
    """Further names of event types: `{"pdp_view": "view_item"}`. The usual ones are known."""
    event_weights: dict[str, Annotated[float, Meta(ge=0)]] = field(default_factory=dict)
    """How much an event of a type counts as interest; 0 counts for nothing."""
    category_level: Annotated[int, Meta(ge=0)] = 0
    """Cut paths like `A > B > C` after so many parts; 0 keeps them whole."""
    first_year: Annotated[int, Meta(ge=1970, le=2100)] = 2000
    last_year: Annotated[int, Meta(ge=1970, le=9998)] = 2100
    """Events outside these years are refused."""
    most_ahead: Positive = 30 * DAY
    """Events so much later than the partition's clock are refused: their shopper's own clock, and
    the shop model's, would stand still until then. Three shoppers who agree move the clock."""
    max_value_bytes: Count = 1 << 20
    """Larger records are refused."""
    remembered_event_ids: Slots = 16
    """Repeats of so many last `event_id`s of a shopper are recognized."""
    most_hourly: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 1000
    """A shopper with more records in an hour of event time is a bot: its further ones count for
    nothing until a whole hour brought no more than these. 0 for any number."""

    # Privacy
    user_id_key: UserIdKey | None = None
    """A secret: where it is set, keyed hashes stand for user ids in state, outputs and logs."""
    inactive_after: NotNegative = 0.0
    """Rows of shoppers who are silent for so long are dropped; 0 for never."""

    # Sessions and the shift detector
    session_gap: Positive = 1800.0
    session_switch: Positive = 60.0
    """Another `session_id` begins a session only after so long without the old one."""
    false_alarms_per_10k_events: Annotated[float, Meta(gt=0, le=1000)] = 1.0
    """How many detected alerts 10,000 events of shoppers who did not move may cause."""
    detector_slots: Slots = 32
    """Categories of one shopper that the detector follows at once."""
    wide_categories: bool = False
    """The detector follows more than 65,534 categories a partition; rows grow by a tenth."""
    calibration: Calibration | None = None
    """The file that `drift calibrate` wrote: thresholds, popularity, the ring."""
    ring: bool = True
    """Look at the last 50 events too, which finds large moves sooner; needs a calibration."""
    cooldown: NotNegative = DAY
    """At most one detected alert a shopper in so long."""
    return_window: NotNegative = 14 * DAY
    """A move back within so long names the first alert in `returns_to`."""
    amend_after: Annotated[int, Meta(ge=0, le=10_000)] = 100
    """So many events after an alert, its `to` may be corrected once; 0 for never."""

    # Interest and recent items
    most_categories: Annotated[int, Meta(ge=1, le=100_000_000)] = 100_000
    """Of a partition, in the order they came; events of later ones count as of no category."""
    short_half_life: Positive = 3600.0
    long_half_life: Positive = 35 * DAY
    interest_slots: Slots = 32
    recent_items: Slots = 32

    # Prediction
    prediction_slots: Slots = 28
    """Categories of one shopper among which a return is predicted, by recency."""
    prediction_depth: Annotated[int, Meta(ge=1, le=5)] = 4
    """Recent categories whose successors are candidates."""
    category_neighbors: Slots = 48
    """Categories remembered around each category."""
    horizons: list[Horizon] = field(default_factory=lambda: ["day", "week"])
    """Periods for which entering interests are predicted: day, week, month, quarter."""
    prediction_precision: Share = 0.2
    """Of predicted alerts, the share that must have come true lately; below, none is sent."""

    # The shop as a whole
    time_zone: str = "UTC"
    """Where the shop's days begin at midnight: a name like Europe/Berlin."""
    week_starts_on: Weekday = "monday"
    flow_window: Annotated[float, Meta(ge=60)] = 7 * DAY
    """Flows between categories are counted over so long."""
    flow_step: Annotated[float, Meta(ge=1)] = 3600.0
    """Counts of flows and demand are published each time a partition's clock has gone so far."""
    idle_after: Annotated[float, Meta(ge=0)] = DAY
    """A window closes without a partition that lies so far behind the furthest."""
    false_discovery_rate: Share = 0.05
    """Of population alerts, the share that chance may explain."""
    min_users: Count = 10
    """No population alert rests on fewer moves, and none names a flow of fewer shoppers."""
    forecast_interval: Annotated[float, Meta(ge=0.5, le=0.99)] = 0.8
    """How often a forecast's interval should hold the truth."""
    forecast_items: Annotated[int, Meta(ge=0, le=100_000)] = 100
    """Items that sell most get a forecast of their own."""

    # The shop model
    most_items: Annotated[int, Meta(ge=100, le=100_000_000)] = 1_000_000
    """Items that it knows; beyond, those that are touched least are forgotten."""
    neighbors: Slots = 64
    """Items remembered around each item."""
    transition_half_life: Positive = 35 * DAY
    popularity_half_life: Positive = 120 * DAY
    factors: Slots = 32
    negatives: Annotated[int, Meta(ge=1, le=64)] = 8
    factor_rate: Positive = 0.1
    content_buckets: Annotated[int, Meta(ge=1, le=1 << 22)] = 16_384
    """Words and attributes in the catalog share so many places to learn in."""
    query_buckets: Annotated[int, Meta(ge=16, le=1 << 22)] = 16_384
    """Words of queries, and pieces of them, share so many places to learn in."""
    factor_objective: Literal["softmax", "bpr", "isgd"] = "softmax"
    """How the item that came is told from others: a softmax, each pair's order, or squares."""
    factors_every: Annotated[int, Meta(ge=0)] = 1
    """One event in so many trains the factors, which saves the time of the others; 0 for none:
    lists go without factors, and cost a third less."""
    adopt_every: Count = 1000
    """A replay from files shows the shop model new records in steps of so many."""

    # Recommendations
    list_size: Annotated[int, Meta(ge=3, le=100)] = 20
    list_current: bool = False
    """List the item on the screen too."""
    list_bought: bool = False
    """List what the shopper bought too."""
    list_out_of_stock: bool = False
    """List what the catalog says is out of stock too."""
    list_adult: bool = False
    """List what the catalog says is for adults too."""
    blocked_items: list[Name] = field(default_factory=list)
    """Items that no list ever holds, by `item_id`."""
    blocked_categories: list[Name] = field(default_factory=list)
    """Categories whose items no list holds, each as events name it (after `category_level`)."""
    list_per_category: Annotated[int, Meta(ge=0)] = 0
    """Most entries of one category in a list; 0 for any number."""
    list_diversity: Literal["none", "mmr", "calibrated"] = "none"
    """Entries are unlike each other (`mmr`), or of the shopper's interests in their proportions
    (`calibrated`), at the price of some that are likelier."""
    list_diversity_weight: Annotated[float, Meta(ge=0, le=1)] = 0.2
    """How much diversity counts against the score: 0 not at all, 1 alone."""
    delta_interval: Annotated[float, Meta(ge=0)] = 300.0
    """At most one delta a shopper in so long, unless the shopper's interest moved."""
    full_list_every: Annotated[int, Meta(ge=1, le=65535)] = 20
    """Each so many deltas say the whole list anew, as the first does."""

    seed: int = 7

    # Running it (nothing below changes what the state means)
    hot_users: Annotated[int, Meta(ge=4)] = 20_000
    """Shoppers of a partition kept in memory; all others are on disk."""
    checkpoint_rows: Count = 5000
    checkpoint_seconds: Positive = 2.0
    """Seconds of the clock on the wall."""
    replica_save_seconds: Positive = 180.0
    """The shop model's replica is saved this often, by the clock on the wall."""
    snapshot_url: str = ""
    """Where snapshots go: a folder or any URL that fsspec knows, shared by the workers of a
    group; by default the folder `snapshots` of each worker's state, and none with `off`."""
    snapshot_every: Positive = 900.0
    """Each partition and the shop model have a snapshot this often, by the clock on the wall."""
    snapshots_kept: Count = 2
    """So many newest snapshots of each are kept."""
    session_timeout: Annotated[float, Meta(gt=0, le=90)] = 10.0
    """Seconds after which the group gives a silent worker's partitions to others."""
    unhealthy_after: Positive = 60.0
    """A worker that has work and gets nowhere for so many seconds is unhealthy."""
    lost_range: str = "stop"
    """When the log no longer holds what a state lacks: `stop`, or `continue` without it."""

    def __post_init__(self) -> None:
        if self.first_year > self.last_year:
            raise ValueError(f"first_year {self.first_year} is after last_year {self.last_year}")
        if self.lost_range not in ("stop", "continue"):
            raise ValueError(f"lost_range must be stop or continue, got {self.lost_range!r}")
        if len(set(self.horizons)) < len(self.horizons):
            raise ValueError(f"horizons name one twice: {self.horizons}")
        if 0 < self.inactive_after <= self.session_gap:
            raise ValueError(
                f"inactive_after {self.inactive_after} must be longer than session_gap "
                f"{self.session_gap}, or 0 for never"
            )
        if FORGET in self.event_types:
            raise ValueError(f"event_types: {FORGET!r} is the request to forget a shopper")
        try:
            ZoneInfo(self.time_zone)
        except (KeyError, ValueError, OSError):
            raise ValueError(
                f"time_zone {self.time_zone!r} is unknown: give a name like Europe/Berlin"
            ) from None
        for name in self.blocked_categories:
            if 0 < self.category_level < name.count(">") + 1:
                raise ValueError(
                    f"blocked_categories: {name!r} has more parts than category_level "
                    f"{self.category_level} leaves: name the part that is left"
                )
        if self.calibration is not None:
            self.calibration.budget(self.false_alarms_per_10k_events)
        for name, known in [*self.event_types.items(), *((n, n) for n in self.event_weights)]:
            if known not in WEIGHTS:
                raise ValueError(f"{name!r} is no event type; known are {', '.join(WEIGHTS)}")

    def canonical_types(self) -> dict[str, str]:
        """From every name that an event type goes by to its name in GA4."""
        return {name: name for name in WEIGHTS} | EVENT_TYPES | self.event_types

    def weights(self) -> dict[str, float]:
        """The weight of each of GA4's event types."""
        return WEIGHTS | self.event_weights

    def meaning(self) -> dict[str, object]:
        """The settings that change what the state means."""
        meaning = {k: v for k, v in msgspec.to_builtins(self).items() if k not in RUNTIME}
        return meaning | {
            "calibration": self.calibration and self.calibration.fingerprint(),
            "user_id_key": self.user_id_key and self.user_id_key.check,
        }

    def unusual(self) -> list[str]:
        """The settings that are not as usual, with their values; files and secrets are only named.

        >>> Settings(list_size=10).unusual()
        ['list_size = 10']
        """
        usual, found = Settings(), []
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if value != getattr(usual, name):
                told = ONLY_NAMED.get(name) or repr(value)
                found.append(f"{name} = {told}")
        return found

    def fingerprint(self) -> str:
        """Sixteen hex digits that change with the meaning of the state."""
        text = msgspec.json.encode(self.meaning(), order="sorted")
        return hashlib.blake2b(text, digest_size=8).hexdigest()


HIDDEN = "user_id_key"
ONLY_NAMED = {"calibration": "a file", "user_id_key": "a secret"}
RUNTIME = frozenset(
    [
        "hot_users",
        "checkpoint_rows",
        "checkpoint_seconds",
        "replica_save_seconds",
        "snapshot_url",
        "snapshot_every",
        "snapshots_kept",
        "session_timeout",
        "unhealthy_after",
        "lost_range",
    ]
)


def load(
    path: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> Settings:
    """The settings of a TOML file, then of DRIFT_* variables, then of flags; later ones win.

    Raises
    ------
    WrongUse
        Naming the setting, its value, and what would do.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, object] = _read(path) if path else {}
    for name in Settings.__struct_fields__:
        text = environment.get(f"DRIFT_{name.upper()}")
        if text is not None:
            # A secret of digits is no number.
            values[name] = text if name == HIDDEN else _parsed(name, text)
    values |= {name: value for name, value in (flags or {}).items() if value is not None}
    named = values.get("calibration")
    if isinstance(named, str):
        beside = path.parent if path else Path()
        values["calibration"] = read_calibration(beside / named) if named else None
    if HIDDEN in values:
        values[HIDDEN] = _key_of(values[HIDDEN])
    try:
        return msgspec.convert(values, Settings)
    except (msgspec.ValidationError, ValueError) as error:
        raise WrongUse(f"settings: {_explained(str(error), values)}") from None


def _key_of(secret: object) -> UserIdKey:
    """What is wrong with a secret is said without it."""
    if not isinstance(secret, str):
        raise WrongUse(f"settings: {HIDDEN} must be text in quotes, not {type(secret).__name__}")
    return UserIdKey.of(secret)


def _explained(error: str, values: Mapping[str, object]) -> str:
    """The error, with the value that it speaks of and, where there are few, those that would do."""
    found = re.fullmatch(r"(.*) - at `\$\.(\w+)(.*)`", error)
    if found is None or found[2] not in values:
        return error
    what, name, where = found.groups()
    if "enum" in what:
        known = _choices(get_type_hints(Settings)[name])
        return f"{name}{where}: {what}; known are {', '.join(map(str, known))}"
    return f"{name}{where}: {what}, got {values[name]!r}"


def _choices(hint: object) -> list[object]:
    """The values that a type of a few allows, or its parts do."""
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    return [choice for part in get_args(hint) for choice in _choices(part)]


def _read(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise WrongUse(f"settings: can't read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WrongUse(f"settings: {path} is not TOML: {error}") from None


def _parsed(name: str, text: str) -> object:
    """A variable's value, read as TOML; what is not TOML is a string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
