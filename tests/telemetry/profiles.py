"""How long property tests search: the same examples each time, and many more on request.

`HYPOTHESIS_SEARCH=30 pytest tests/telemetry/test_order_independence.py` searches thirty times as
long, and elsewhere each time.
"""

import os
from datetime import timedelta

from hypothesis import HealthCheck, settings

_factor = int(os.environ.get("HYPOTHESIS_SEARCH", "0"))


def _search(examples: int) -> settings:
    return settings(
        max_examples=examples * max(_factor, 1),
        derandomize=not _factor,
        database=None,
        deadline=timedelta(seconds=30) if not _factor else None,
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.filter_too_much,
            HealthCheck.function_scoped_fixture,
        ],
    )


thorough = _search(150)
"""For properties that need no database."""
quick = _search(8)
"""For properties that store and process."""
