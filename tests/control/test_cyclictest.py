"""What is read out of cyclictest's output."""

import pytest

from robot_il.control.cyclictest import installed, measure_cyclictest, wake_ups_of

OUTPUT = """# /dev/cpu_dma_latency set to 0us
# Histogram
000000 000000
000021 000003
000022 000006
000400 000001
# Total: 000000010
# Min Latencies: 00021
# Avg Latencies: 00060
# Max Latencies: 25000
# Histogram Overflows: 00002
"""


def test_the_histogram_gives_each_wake_up():
    found = wake_ups_of(OUTPUT, 200, 14)
    assert sorted(found.lateness_us) == [21.0] * 3 + [22.0] * 6 + [400.0] + [25000.0] * 2
    assert (found.rate_hz, found.ticks, found.skipped) == (200, 14, 2)
    assert found.percentile(50) == 22.0


@pytest.mark.parametrize("text", ["", "unable to change scheduling policy", "000001 000000\n"])
def test_no_figures_are_no_figures(text):
    assert wake_ups_of(text, 200, 10) is None


@pytest.mark.skipif(not installed(), reason="cyclictest is not installed (apt: rt-tests)")
def test_the_real_one_gives_figures_or_none():
    found = measure_cyclictest(1000, 1.0)
    assert found is None or 0 < len(found.lateness_us) <= 1100
