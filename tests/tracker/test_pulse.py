"""Whether a part of the service that is stuck is noticed."""

from __future__ import annotations

import pytest

from tests.clocks import Hand
from tracker.pulse import SILENT_MOST_S, Part, Pulse, Stuck


class TestAPulse:
    def test_is_well_while_all_parts_move(self) -> None:
        hand = Hand()
        pulse = Pulse(hand)
        for _ in range(100):
            hand.at_s += 30
            for part in Part:
                pulse.beat(part)

        pulse.check()

    @pytest.mark.parametrize("part", Part)
    def test_names_the_part_that_is_stuck(self, part: Part) -> None:
        hand = Hand()
        pulse = Pulse(hand)
        hand.at_s += SILENT_MOST_S[part] + 1
        for other in set(Part) - {part}:
            pulse.beat(other)

        with pytest.raises(Stuck, match=f"^the {part} has not moved for") as stuck:
            pulse.check()

        assert stuck.value.hint

    def test_notices_a_part_that_never_began(self) -> None:
        hand = Hand()
        pulse = Pulse(hand)
        hand.at_s += 3600

        with pytest.raises(Stuck, match=r"rebuilder.*poller.*receiver"):
            pulse.check()

    def test_is_well_again_when_the_part_moves(self) -> None:
        hand = Hand()
        pulse = Pulse(hand)
        hand.at_s += 3600
        for part in Part:
            pulse.beat(part)

        pulse.check()
