"""A partition's categories: their names, ids and codes, and what the loop reads of them."""

import logging

import numpy as np

from stream.calibration import Calibration
from stream.core.codes import LAYOUT as CODE
from stream.core.codes import CodeRow
from stream.core.ids import identify
from stream.core.rows import Rows, grown, zeros
from stream.core.shop import ShopModel
from stream.core.table import MISSING

log = logging.getLogger(__name__)
# The ring divides by popularity, and float32 has no smaller.
RAREST = 1e-9


class Codebook:
    """Numbers a partition's categories in the order in which its records brought them.

    `names` are by code; the list stays the same one. `rows` is made anew when it grows: take
    it after the names of a batch were looked up. The detector follows the first `followed`.
    """

    def __init__(
        self,
        partition: int,
        names: list[str],
        most: int,
        followed: int,
        calibration: Calibration | None,
    ) -> None:
        self.names = names
        self.rows: Rows[CodeRow] = zeros(max(1, len(names)), CODE, CodeRow)
        self._most = most
        self._followed = followed
        self._partition = partition
        self._calibration = calibration
        self._codes: dict[str, tuple[int, int]] = {}
        self._code_of: dict[int, int] = {}
        self._met = (-1, 0)
        for code, name in enumerate(names):
            self._enter(code, name)

    def code(self, name: str) -> tuple[int, int] | None:
        """The category's code and its id; a new one gets the next code, or None beyond `most`.

        One code for all that are too many would be a category that shoppers move to.
        """
        known = self._codes.get(name)
        if known is None:
            if len(self.names) >= self._most:
                return None
            known = self._enter(len(self.names), name)
            self.names.append(name)
        return known

    def meet(self, shop: ShopModel) -> None:
        """Find out which rows of the shop model the categories have, where that may be new."""
        now = (shop.position, len(self.names))
        if now != self._met:
            codes = np.asarray(self.rows)[: len(self.names)]
            codes["shop"] = shop.category_numbers(np.ascontiguousarray(codes["id"]))
            self._met = now

    def name_of(self, id: int, shop: ShopModel) -> str:
        """The name of a category of this partition or of the shop, "" where none came yet."""
        code = self._code_of.get(id)
        if code is not None:
            return self.names[code]
        number = shop.categories.number_of(id)
        return shop.categories.names[number] if number >= 0 else ""

    def _enter(self, code: int, name: str) -> tuple[int, int]:
        if code >= len(self.rows):
            self.rows = grown(self.rows, code + 1)
        if code == self._followed:
            log.warning(
                "partition %d: the detector does not follow more than %d categories: "
                "set wide_categories in a new --state folder",
                self._partition,
                code,
            )
        row, known = self.rows[code], (code, identify(name))
        row.id, row.shop, row.popularity = known[1], MISSING, self._popularity(name)
        self._codes[name] = known
        self._code_of[known[1]] = code
        return known

    def _popularity(self, name: str) -> np.float32:
        """The category's share of events in the calibration's table, 0 without one."""
        table = self._calibration
        if table is None:
            return np.float32(0.0)
        return np.float32(max(table.popularity.get(name, table.others), RAREST))
