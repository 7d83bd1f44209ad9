"""The panel: a fair sample of shoppers, however many come."""

import numpy as np

from stream.core import horizon_panel
from stream.core.horizon_features import CANDIDATE, CandidateRow
from stream.core.horizon_panel import PANEL, STORE, PanelRow, StoreRow
from stream.core.ids import identify
from stream.core.rows import Rows, zeros

PERIOD = 739_000


def candidates(own: int, others: int) -> Rows[CandidateRow]:
    rows = zeros(own + others, CANDIDATE, CandidateRow)
    for place in range(own + others):
        rows[place].id = identify(f"category {place}")
        rows[place].slot = place if place < own else -1
        rows[place].features[:] = place
    return rows


def kept(shoppers: range, size: int, own: int = 5, others: int = 10) -> tuple[np.ndarray, StoreRow]:
    panel, store = zeros(3 * size, PANEL, PanelRow), zeros(1, STORE, StoreRow)[0]
    found = candidates(own, others)
    for shopper in shoppers:
        key = identify(f"shopper {shopper}")
        horizon_panel.keep(panel, size, size, store, PERIOD, key, found, len(found), 3)
    table = np.asarray(panel)
    assert not table[:size]["key"].any(), "another horizon's rows"
    assert not table[2 * size :]["key"].any(), "another horizon's rows"
    return table[size : size + int(store.used)], store


def test_all_that_a_shopper_had_is_kept_and_half_of_the_rest_at_double_weight() -> None:
    rows, store = kept(range(200), 10_000)

    assert store.halvings == 0
    own, others = rows[rows["weight"] == 1.0], rows[rows["weight"] == 2.0]
    assert len(own) == 200 * 5
    assert 0.45 < len(others) / (200 * 10) < 0.55
    assert set(own["category"]) == {identify(f"category {place}") for place in range(5)}
    assert (rows["outcome"] == -1).all()


def test_a_full_panel_keeps_a_fair_sample_whoever_came_first() -> None:
    rows, store = kept(range(5000), 1000)
    half, _ = kept(range(2500), 1000)

    assert store.halvings >= 5
    numbers = {identify(f"shopper {shopper}"): shopper for shopper in range(5000)}
    chosen = sorted({numbers[key] for key in rows["key"].tolist()})
    share = 0.5 ** int(store.halvings)
    assert 0.5 < len(chosen) / (5000 * share) < 1.5
    assert min(chosen) < 2500 < max(chosen)
    assert 0.3 < np.mean(np.array(chosen) < 2500) < 0.7
    assert {numbers[key] for key in half["key"].tolist()} >= {n for n in chosen if n < 2500}


def test_a_shopper_is_in_the_sample_whole() -> None:
    rows, _ = kept(range(500), 1000)
    whole, _ = kept(range(500), 100_000)

    for key in set(rows["key"].tolist()):
        assert (rows[rows["key"] == key] == whole[whole["key"] == key]).all()


def test_another_period_has_another_sample() -> None:
    keys = [identify(f"shopper {shopper}") for shopper in range(400)]
    samples = [{key for key in keys if horizon_panel.sampled(key, period, 2)} for period in (1, 2)]

    assert 60 < len(samples[0]) < 140
    assert len(samples[0] & samples[1]) < 50
