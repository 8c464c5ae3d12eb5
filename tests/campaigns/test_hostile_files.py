"""The campaign itself: a few files of it, which must find nothing, and a fault that it must see."""

import random
from collections import Counter

import pytest

from tests.campaigns.hostile_files import Findings, note, read_one
from tests.campaigns.mutations import mutate
from tests.campaigns.seeds import seeds


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damage_is_repeatable_and_reaches_the_decoders() -> None:
    files = seeds()
    for name, data in files:
        assert mutate(data, random.Random(1)) == mutate(data, random.Random(1)), name
    outcomes = Counter(read_one(number, 0, files)[0] for number in range(60))
    assert set(outcomes) == {"read", "refused"}


def test_faults_are_noted() -> None:
    found = Findings()
    note(found, "file 1", "read", "", 0.1, 10)
    note(found, "file 2", "raised KeyError", "CT.dcm: 'x'", 0.1, 20)
    note(found, "file 3", "refused", "CT.dcm", 6.0, 15)
    assert found.faults == ["file 2: raised KeyError: CT.dcm: 'x'", "file 3 took 6.0 s: CT.dcm"]
    assert (found.slowest, found.peak) == (6.0, 20)
