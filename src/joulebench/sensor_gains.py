"""How far the usual sensors are off, board to board: shared by meters and importers.

Relative standard uncertainties of a reading. A tolerance of ± a, taken as uniform, is a / sqrt(3).
"""

from __future__ import annotations

import math

NVML_GAIN = 0.05 / math.sqrt(3)
"""±5 % from board to board (Yang, Adámek and Armour, arXiv 2312.02741)."""

RAPL_GAINS = {
    "cpu package": 0.03,
    "cpu core": 0.05,
    "cpu uncore": 0.05,
    "dram": 0.12,
    "platform": 0.1,
}
"""By scope, where the processor measures.

Package: within about 5 % of the power measured outside it (Hackenberg et al. 2015,
doi:10.1109/IPDPSW.2015.70; Khan et al. 2018, doi:10.1145/3177754), taken as uniform. Memory: within
20 % (Desrochers et al. 2016, doi:10.1145/2989081.2989088), taken as uniform. Nobody has published
a validation of the others; theirs are judgement.
"""

MODELLED_GAIN = 0.1
"""AMD computes its counters from a model that misses data-dependent power (arXiv 2108.00808)."""

ESTIMATE_GAIN = 0.5
"""Where a power is assumed and none read: published figures run from about 1.5 W for a thread of a
dense server to about 10 W for one of a desktop, and power does not follow busy time linearly."""
