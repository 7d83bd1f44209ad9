"""How well an item that nobody took yet fits a shopper: by what the catalog says of it.

The score of a source is bilinear, u' Q h: `u` the shopper's query in the space of factors and
what the source says of the recent items, `h` what it says of the item, `Q` learned online of
the items that come, told from a few others by a softmax. Words and attributes are hashed, so
their Q is a row a bucket; vectors have a matrix each. Sources are mixed, the more those that
knew more of items that came for the first times; one that an item lacks is left out of its
mixture, and is no zero.
"""

import math
from typing import NamedTuple

import numpy as np

from stream.core import factorization
from stream.core.compiled import kernel, outlined
from stream.core.factorization import ScratchRow
from stream.core.features import ATTRIBUTES, TEXTS
from stream.core.rows import Float32s, Float64s, Int8s, Int32s, Layout, Rows

VECTORS = 3
"""Sources of vectors; the first that the catalog names get a place."""
TEXT, ATTRIBUTE, VECTOR = 0, 1, 2
SOURCES = VECTOR + VECTORS
FEATURES = TEXTS + ATTRIBUTES
CAUTION = 0.01
"""Where the sums of squared gradients start."""
SLOWEST, PATIENCE = 0.005, 20.0
"""The least step of a gain, and how many steps the start is worth."""
TRUST = 6.0
"""A source that knows one nat more than another weighs e to this times as much."""
TINY = 1e-9
FRESH = 2
"""An item moves the weights of the sources the first times that it comes."""


class ContentRow:
    """What the catalog says of an item. Features are numbers of buckets: `texts` of the title,
    then `attributes`. A vector is there where its scale, one over its length, is above 0.
    `lessons` counts the times that it came, up to a few.
    """

    listed: int
    texts: int
    attributes: int
    lessons: int
    features: Int32s
    scales: Float32s
    vectors: Int8s


class BridgeRow:
    """From content to the space of factors: Q by bucket, Q of each vector, and the weights.

    `sketches` are directions that stand for buckets where recent items are summed up.
    `listed` counts the items that the catalog named. By source, `lessons` are the items that
    came while they were new, `gains` what it knew of them: nats more than nothing.
    """

    listed: int
    lessons: Float64s
    gains: Float64s
    weights: Float64s
    sketches: Float32s
    hashed: Float32s
    squares: Float32s
    dense: Float32s
    dense_squares: Float32s


class FitRow:
    """Room to say how well a few items fit. `fits` are the answer, for the first `used`.

    `places` and `likely` are the asker's own notes of them. `own` is the query of a source,
    `turned` the same in a vector's space.
    """

    used: int
    items: Int32s
    places: Int32s
    likely: Int32s
    logits: Float64s
    fits: Float64s
    present: Float64s
    own: Float32s
    turned: Float32s


class Content(NamedTuple):
    """All rows, as kernels take them. An item at or beyond the end of `rows` has no content."""

    rows: Rows[ContentRow]
    bridges: Rows[BridgeRow]
    fits: Rows[FitRow]


def layout(factors: int) -> Layout:
    """A row with room for `VECTORS` vectors of `factors` numbers."""
    return np.dtype(
        [
            ("listed", "u1"),
            ("texts", "u1"),
            ("attributes", "u1"),
            ("lessons", "u1"),
            ("features", "i4", FEATURES),
            ("scales", "f4", VECTORS),
            ("vectors", "i1", (VECTORS, factors)),
        ],
        align=True,
    )


def bridge_layout(factors: int, buckets: int) -> Layout:
    """Room for all that is learned."""
    return np.dtype(
        [
            ("listed", "i8"),
            ("lessons", "f8", SOURCES),
            ("gains", "f8", SOURCES),
            ("weights", "f8", SOURCES),
            ("sketches", "f4", (buckets, factors)),
            ("hashed", "f4", (buckets, factors)),
            ("squares", "f4", buckets),
            ("dense", "f4", (VECTORS, factors, factors)),
            ("dense_squares", "f4", VECTORS),
        ],
        align=True,
    )


def fit_layout(factors: int, most: int) -> Layout:
    """Room for `most` items at once."""
    return np.dtype(
        [
            ("used", "i4"),
            ("items", "i4", most),
            ("places", "i4", most),
            ("likely", "i4", most),
            ("logits", "f8", most),
            ("fits", "f8", most),
            ("present", "f8", most),
            ("own", "f4", factors),
            ("turned", "f4", factors),
        ],
        align=True,
    )


@kernel
def start(bridge: BridgeRow, seed: int) -> None:
    """Begin with all sources alike, and with sketches that `seed` decides."""
    factors = bridge.sketches.shape[1]
    for bucket in range(len(bridge.squares)):
        key = factorization.scrambled(factorization.scrambled(bucket) ^ seed)
        for place in range(factors):
            drawn = factorization.between(key, place)
            bridge.sketches[bucket, place] = np.float32(drawn * math.sqrt(3.0 / factors))
        bridge.squares[bucket] = np.float32(CAUTION)
    for source in range(SOURCES):
        bridge.weights[source] = 1.0
    for source in range(VECTORS):
        bridge.dense_squares[source] = np.float32(CAUTION)


@kernel
def has(rows: Rows[ContentRow], item: int, source: int) -> bool:
    """Whether the catalog says something of this kind of the item."""
    if item < 0 or item >= len(rows):
        return False
    row = rows[item]
    if source == TEXT:
        return bool(row.texts > 0)
    if source == ATTRIBUTE:
        return bool(row.attributes > 0)
    return bool(row.scales[source - VECTOR] > np.float32(0.0))


@kernel
def sum_up(content: Content, source: int, item: int, by: float, own: Float32s) -> None:
    """Add `by` times what a source says of an item."""
    row = content.rows[item]
    if source >= VECTOR:
        scale = np.float32(by * np.float64(row.scales[source - VECTOR]))
        for place in range(len(own)):
            own[place] += scale * np.float32(row.vectors[source - VECTOR, place])
        return
    first, end = bounds(row, source)
    scale = np.float32(by / math.sqrt(float(end - first)))
    for place in range(first, end):
        factorization.shift(own, scale, content.bridges[0].sketches[row.features[place]])


@kernel
def ask(content: Content, source: int, query: Float32s, recent: Int32s) -> None:
    """Make a source's own query: that of factors, and what it says of the recent items.

    `recent` holds row numbers, newest first, -1 for none; the newer weighs more.
    """
    room, total, weight = content.fits[0], 0.0, 1.0
    for place in range(len(query)):
        room.own[place] = query[place]
    for lag in range(len(recent)):
        total += weight if recent[lag] >= 0 else 0.0
        weight *= factorization.FADING if recent[lag] >= 0 else 1.0
    weight = 1.0
    for lag in range(len(recent)):
        if has(content.rows, recent[lag], source):
            sum_up(content, source, int(recent[lag]), weight / total, room.own)
        weight *= factorization.FADING if recent[lag] >= 0 else 1.0
    turn(content.bridges[0], source, room.own, room.turned)


@kernel
def turn(bridge: BridgeRow, source: int, query: Float32s, turned: Float32s) -> None:
    """The query in a vector source's own space, Q' u; for the others nothing is to be done."""
    if source < VECTOR:
        return
    matrix = bridge.dense[source - VECTOR]
    for place in range(len(turned)):
        turned[place] = 0.0
    for factor in range(len(query)):
        factorization.shift(turned, query[factor], matrix[factor])


@kernel
def weighed(row: ContentRow, which: int, turned: Float32s) -> float:
    """The product of a vector of the row with a query turned to its space."""
    total = np.float32(0.0)
    for place in range(len(turned)):
        total += np.float32(row.vectors[which, place]) * turned[place]
    return np.float64(total) * np.float64(row.scales[which])


@kernel
def bounds(row: ContentRow, source: int) -> tuple[int, int]:
    """From where up to where a hashed source's features stand."""
    texts = int(row.texts)
    return (0, texts) if source == TEXT else (texts, texts + int(row.attributes))


@kernel
def logit(
    bridge: BridgeRow, row: ContentRow, source: int, query: Float32s, turned: Float32s
) -> float:
    """u' Q h of one source."""
    if source >= VECTOR:
        return weighed(row, source - VECTOR, turned)
    first, end = bounds(row, source)
    total = 0.0
    for place in range(first, end):
        total += np.float64(factorization.product(query, bridge.hashed[row.features[place]]))
    return total / math.sqrt(float(end - first))


@kernel
def move_hashed(
    bridge: BridgeRow, row: ContentRow, source: int, query: Float32s, error: float, rate: float
) -> None:
    """Move the rows of a source's features along the query."""
    first, end = bounds(row, source)
    count = float(end - first)
    length = np.float64(factorization.product(query, query))
    for place in range(first, end):
        bucket = int(row.features[place])
        bridge.squares[bucket] += np.float32(error * error * length / (len(query) * count))
        step = rate * error / math.sqrt(count * np.float64(bridge.squares[bucket]))
        factorization.shift(bridge.hashed[bucket], np.float32(step), query)


@kernel
def move_dense(
    bridge: BridgeRow, row: ContentRow, which: int, query: Float32s, error: float, rate: float
) -> None:
    """Move a vector source's matrix along the product of query and vector."""
    factors = len(query)
    length = np.float64(factorization.product(query, query))
    bridge.dense_squares[which] += np.float32(error * error * length / (factors * factors))
    step = rate * error / math.sqrt(np.float64(bridge.dense_squares[which]))
    matrix, scale = bridge.dense[which], step * np.float64(row.scales[which])
    for factor in range(factors):
        by = np.float32(scale * np.float64(query[factor]))
        for place in range(factors):
            matrix[factor, place] += by * np.float32(row.vectors[which, place])


@kernel
def tell(content: Content, source: int, scratch: ScratchRow, count: int) -> int:
    """Leave what the source lacks of telling the item from its negatives; return how many."""
    bridge, rows, room, others = content.bridges[0], content.rows, content.fits[0], 0
    for place in range(count + 1):
        drawn = int(scratch.drawn[place])
        scratch.errors[place] = -math.inf
        if has(rows, drawn, source) and (place == 0 or drawn != scratch.drawn[0]):
            scratch.errors[place] = logit(bridge, rows[drawn], source, room.own, room.turned)
            others += 1 if place > 0 else 0
    if others > 0:
        factorization.blame_softmax(scratch.errors, count)
    return others


@kernel
def move(content: Content, source: int, scratch: ScratchRow, count: int, rate: float) -> None:
    """Learn what the source lacked."""
    bridge, own = content.bridges[0], content.fits[0].own
    for place in range(count + 1):
        error = scratch.errors[place]
        if error == 0.0:
            continue
        row = content.rows[scratch.drawn[place]]
        if source >= VECTOR:
            move_dense(bridge, row, source - VECTOR, own, error, rate)
        else:
            move_hashed(bridge, row, source, own, error, rate)


@kernel
def credit(bridge: BridgeRow, source: int, chance: float, others: int) -> None:
    """Count how much more a source knew of the item that came than one that knows nothing."""
    bridge.lessons[source] += 1.0
    rate = max(SLOWEST, 1.0 / (bridge.lessons[source] + PATIENCE))
    gain = math.log(max(chance, TINY) * (others + 1))
    bridge.gains[source] += rate * (gain - bridge.gains[source])
    bridge.weights[source] = math.exp(TRUST * bridge.gains[source])


@outlined
def learn(content: Content, scratch: ScratchRow, recent: Int32s, count: int, rate: float) -> None:
    """Learn from an item that came: `scratch` has the query, the item and `count` negatives.

    `factorization.learn` left them there, of these `recent` items.
    """
    bridge, item = content.bridges[0], int(scratch.drawn[0])
    # Of an item that came often each source knows it by heart, noise too.
    fresh = item < len(content.rows) and content.rows[item].lessons < FRESH
    for source in range(SOURCES):
        if has(content.rows, item, source):
            ask(content, source, scratch.query, recent)
            others = tell(content, source, scratch, count)
            if others > 0:
                if fresh:
                    credit(bridge, source, 1.0 - scratch.errors[0], others)
                move(content, source, scratch, count, rate)
    if fresh:
        content.rows[item].lessons += 1


@kernel
def share(room: FitRow, rows: Rows[ContentRow], source: int, weight: float) -> None:
    """Add to the fits what a source says by its logits: a softmax of those that have it.

    It is scaled so that one that knows nothing says the same of all items.
    """
    highest, total, count = -math.inf, 0.0, 0
    for place in range(room.used):
        if has(rows, int(room.items[place]), source):
            highest = max(highest, room.logits[place])
            count += 1
    for place in range(room.used):
        if has(rows, int(room.items[place]), source):
            room.logits[place] = math.exp2((room.logits[place] - highest) * factorization.LOG2_E)
            total += room.logits[place]
    for place in range(room.used):
        if has(rows, int(room.items[place]), source):
            room.fits[place] += weight * room.logits[place] / total * count / room.used
            room.present[place] += weight


@kernel
def spoken(room: FitRow, rows: Rows[ContentRow], source: int) -> bool:
    """Whether any of the room's items has the source."""
    for place in range(room.used):
        if has(rows, int(room.items[place]), source):
            return True
    return False


@outlined
def fit(content: Content, query: Float32s, recent: Int32s) -> None:
    """How well each of the room's items fits query and recent items, in sum about 1."""
    bridge, rows, room = content.bridges[0], content.rows, content.fits[0]
    for place in range(room.used):
        room.fits[place], room.present[place] = 0.0, 0.0
    for source in range(SOURCES):
        if not spoken(room, rows, source):
            continue
        ask(content, source, query, recent)
        for place in range(room.used):
            item = int(room.items[place])
            if has(rows, item, source):
                room.logits[place] = logit(bridge, rows[item], source, room.own, room.turned)
        share(room, rows, source, bridge.weights[source])
    for place in range(room.used):
        if room.present[place] > 0.0:
            room.fits[place] /= room.present[place]
        else:
            room.fits[place] = 1.0 / room.used


@kernel
def put(row: ContentRow, texts: Int32s, attributes: Int32s, scales: Float32s,
        vectors: Int8s) -> None:  # fmt: skip
    """Take what the catalog says of an item in place of what it said before."""
    row.listed, row.texts, row.attributes = 1, len(texts), len(attributes)
    for place in range(FEATURES):
        row.features[place] = 0
    for place in range(len(texts)):
        row.features[place] = texts[place]
    for place in range(len(attributes)):
        row.features[len(texts) + place] = attributes[place]
    for which in range(VECTORS):
        row.scales[which] = scales[which]
        for place in range(vectors.shape[1]):
            row.vectors[which, place] = vectors[which, place]
