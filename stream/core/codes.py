"""A partition's categories by code: the order in which its records brought them."""

import numpy as np

from stream.core.rows import Layout


class CodeRow:
    """What a category's code stands for.

    `id` is the 64-bit id, `shop` the category's row number in the shop model, -1 where it
    has none yet, `popularity` its share of events in the calibration's table, 0 without one.
    """

    id: int
    shop: int
    popularity: np.float32


LAYOUT: Layout = np.dtype([("id", "i8"), ("shop", "i4"), ("popularity", "f4")], align=True)
