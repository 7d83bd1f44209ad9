"""How good the forecasts were that have matured."""

import math

from msgspec import Struct

from stream.core.rows import Float64s


class Score(Struct):
    """Of whole categories, all together: error, what was sold, and how often intervals held it.

    >>> import numpy as np
    >>> score = Score()
    >>> score.wape(), score.coverage()
    (None, None)
    >>> score.add(np.array([1.0, 2.0]), np.array([4.0, 6.0]), held=1)
    >>> score.wape(), score.coverage()
    (0.3, 0.5)
    """

    error: float = 0.0
    sold: float = 0.0
    held: int = 0
    count: int = 0

    def add(self, errors: Float64s, sold: Float64s, held: int) -> None:
        """Count forecasts that matured together."""
        # Exactly rounded sums do not depend on the order of the categories.
        self.error += math.fsum(errors.tolist())
        self.sold += math.fsum(sold.tolist())
        self.held += held
        self.count += len(errors)

    def wape(self) -> float | None:
        """Sum of |error| / sum of what was sold."""
        return self.error / self.sold if self.sold > 0.0 else None

    def coverage(self) -> float | None:
        """How often the interval held what was sold."""
        return self.held / self.count if self.count else None
