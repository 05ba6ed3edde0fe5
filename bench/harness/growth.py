"""Whether memory grows."""

import statistics

EDGE = 0.1  # share of the samples that are the beginning, and the end

Samples = list[tuple[float, int]]  # seconds since the start, KiB


def growth(samples: Samples, settle: float) -> float:
    """KiB from the beginning to the end, without the first `settle` seconds: medians of the edges,
    so that neither one busy moment nor one collection decides."""
    settled = [kib for moment, kib in samples if moment >= settle]
    edge = max(1, int(len(settled) * EDGE))
    if len(settled) < 2 * edge:
        raise ValueError(f'too short: only {len(settled)} samples after {settle:.0f} s')
    return statistics.median(settled[-edge:]) - statistics.median(settled[:edge])
