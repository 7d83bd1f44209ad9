"""Items that nobody took are found by what the catalog says of them."""

import msgspec
import numpy as np

from stream.evaluation import content_world
from stream.evaluation.ranking_content import CATEGORY_POPULARITY, Case, held_out, ranks, table
from stream.evaluation.ranking_walk import walk
from stream.evaluation.report import OURS, Report
from stream.settings import Settings

SETTINGS = Settings()


def case(seed: int = 1) -> Case:
    log, catalog = content_world.made(seed)
    return Case(walk(log), log.item_names, catalog, SETTINGS)


def test_what_shoppers_like_is_found_in_the_source_that_shows_it_and_noise_does_no_harm() -> None:
    found = ranks(case(), held_out(case()))
    hits = {method: float((rank <= 20).mean()) for method, rank in found.ranks.items()}

    chance = 20 / len(held_out(case()))
    assert hits["vector image alone"] > 2.5 * chance
    assert hits[OURS] > hits["vector image alone"] - 0.03
    assert hits["vector audio alone"] > hits["vector noise alone"]
    assert abs(hits["vector noise alone"] - chance) < 0.05
    assert hits[CATEGORY_POPULARITY] < chance


def test_no_event_of_what_is_held_out_is_learned() -> None:
    """What comes of them changes no rank: the model is the same with and without."""
    whole = case()
    held = held_out(whole)
    first = ranks(whole, held)
    swapped = np.array(whole.walk.items)
    late = np.flatnonzero(np.isin(swapped, held))[-1]
    swapped[late] = held[0] if swapped[late] != held[0] else held[1]
    other = ranks(whole._replace(walk=whole.walk._replace(items=swapped)), held)

    np.testing.assert_array_equal(first.ranks[OURS][:-1], other.ranks[OURS][:-1])


def test_a_catalog_too_small_to_hold_anything_out_is_said_so() -> None:
    few = case()
    pieces = [msgspec.structs.replace(few.entries[0], items=few.entries[0].items[:5])]
    report = Report("Ranking", {})
    table("few", few._replace(entries=pieces), 1, report, lambda line: None)

    assert report.rows == []
    assert "fewer than 20" in report.notes[0][1]
