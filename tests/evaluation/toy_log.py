"""A log of shoppers who each keep to a few categories of their own."""

import numpy as np
from numpy.typing import ArrayLike

from stream.evaluation.logs import Log

DAY = 86_400.0
START = 1_700_006_400.0
SESSIONS, EACH = 3, 5


def viewed(shoppers: ArrayLike, categories: ArrayLike, at: ArrayLike) -> Log:
    """A log of views without items and session ids, in order of time; one entry an event each."""
    own, kinds = np.asarray(shoppers, np.int32), np.asarray(categories, np.int32)
    count = len(own)
    return Log(
        name="toy",
        shoppers=own,
        categories=kinds,
        items=np.full(count, -1, np.int32),
        at=np.asarray(at, np.float64),
        sessions=np.zeros(count, np.int64),
        actions=np.zeros(count, np.int8),
        quantities=np.ones(count),
        shopper_names=[f"shopper {number}" for number in range(int(own.max()) + 1)],
        category_names=[f"category {number}" for number in range(int(kinds.max()) + 1)],
        item_names=[],
    )


def toy_log(shoppers: int = 420, categories: int = 16, days: int = 8, seed: int = 1) -> Log:
    """On each day three sessions of five events; a shopper keeps to a few categories."""
    generator = np.random.default_rng(seed)
    events = days * SESSIONS * EACH
    taste = generator.dirichlet(np.full(categories, 0.2), shoppers)
    ends = np.cumsum(taste, axis=1)[:, None, :]
    drawn = (generator.random((shoppers, events, 1)) > ends).sum(axis=2)
    session, place = np.divmod(np.arange(events), EACH)
    day, turn = np.divmod(session, SESSIONS)
    at = START + day * DAY + turn * 7200.0 + place * 60.0 + np.arange(shoppers)[:, None]
    order = np.argsort(at.ravel(), kind="stable")
    return viewed(
        np.repeat(np.arange(shoppers), events)[order],
        np.minimum(drawn.ravel(), categories - 1)[order],
        at.ravel()[order],
    )


def lines_of(log: Log) -> bytes:
    """The same events as a file of JSON lines."""
    return b"".join(
        b'{"user_id":"%s","event_type":"view","occurred_at":%f,"category":"%s"}\n'
        % (log.shopper_names[shopper].encode(), at, log.category_names[category].encode())
        for shopper, at, category in zip(log.shoppers, log.at, log.categories, strict=True)
    )
