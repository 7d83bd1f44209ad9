"""A log of shoppers who each keep to a few categories of their own."""

import numpy as np

from stream.evaluation.logs import Log

DAY = 86_400.0
START = 1_700_006_400.0
SESSIONS, EACH = 3, 5


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
    count = shoppers * events
    return Log(
        name="toy",
        shoppers=np.repeat(np.arange(shoppers, dtype=np.int32), events)[order],
        categories=np.minimum(drawn.ravel(), categories - 1)[order].astype(np.int32),
        items=np.full(count, -1, np.int32),
        at=at.ravel()[order],
        sessions=np.zeros(count, np.int64),
        actions=np.zeros(count, np.int8),
        quantities=np.ones(count),
        shopper_names=[f"shopper {number}" for number in range(shoppers)],
        category_names=[f"category {number}" for number in range(categories)],
        item_names=[],
    )


def lines_of(log: Log) -> bytes:
    """The same events as a file of JSON lines."""
    return b"".join(
        b'{"user_id":"%s","event_type":"view","occurred_at":%f,"category":"%s"}\n'
        % (log.shopper_names[shopper].encode(), at, log.category_names[category].encode())
        for shopper, at, category in zip(log.shoppers, log.at, log.categories, strict=True)
    )
