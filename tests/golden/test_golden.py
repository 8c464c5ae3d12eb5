"""The product says what it said: a change of any record is seen, and must be meant.

After a change that is meant, `python -m tests.golden` keeps the new records.
"""

from __future__ import annotations

import json

import pytest

from tests.golden.comparing import differences
from tests.golden.keeping import kept
from tests.golden.records import PARTS, Records


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Records:
    folder = tmp_path_factory.mktemp("golden")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return Records(folder)


@pytest.fixture
def in_folder(records: Records, monkeypatch: pytest.MonkeyPatch) -> Records:
    monkeypatch.chdir(records.folder)
    return records


@pytest.mark.parametrize("part", PARTS)
def test_records_are_as_they_are_kept(in_folder: Records, part: str) -> None:
    now = json.loads(json.dumps(getattr(in_folder, part)()))
    changed = list(differences(kept(part), now))
    assert not changed, "\n".join(
        [f"{len(changed)} changes", *(line[:500] for line in changed[:20])]
    )


@pytest.mark.parametrize(
    ("kept", "now", "said"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, ": keys ['b', 'a'], kept ['a', 'b']"),
        ({"a": [1.0, 2.0]}, {"a": [1.0, 2.01]}, "/a/1: 2.01, kept 2.0"),
        ([1, 2], [1], ": 1 values, kept 2"),
        ([1], [True], "/0: True, kept 1"),
        ([1], [1.0], "/0: 1.0, kept 1"),
        ("of 0.5 and x", "of 0.51 and x", ": 'of 0.51 and x', kept 'of 0.5 and x'"),
        ("1.2.840.10008", "1.2.840.10009", ": '1.2.840.10009', kept '1.2.840.10008'"),
        (None, "", ": '', kept None"),
    ],
)
def test_what_is_not_the_same_is_told(kept: object, now: object, said: str) -> None:
    assert list(differences(kept, now)) == [said]


def test_numbers_that_processors_round_differently_are_the_same() -> None:
    kept = {"share": 0.5, "peak": 12345.6, "line": "a.png,0.25,97.31%"}
    now = {"share": 0.501, "peak": 12345.7, "line": "a.png,0.2501,97.31%"}
    assert not list(differences(kept, now))
