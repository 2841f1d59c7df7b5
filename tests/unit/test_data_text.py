"""Text as windows of characters: what comes out of a few letters by hand, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pruneexp.data.dataset import Dataset
from pruneexp.data.text import ALPHABET, text, topics, windows
from pruneexp.errors import UserError

CPU = torch.device("cpu")


def own(folder: Path, content: str, **arguments: object) -> Dataset:
    path = folder / "own.txt"
    path.write_text(content, encoding="utf-8")
    return text(str(path), **arguments)  # type: ignore[arg-type]


def read(data: Dataset, split: str, alphabet: str = ALPHABET) -> list[tuple[str, str]]:
    """The windows of a split and what follows them, as text; ? stands for the unknown."""
    letters = f"?{alphabet}"
    return [
        tuple("".join(letters[token] for token in row.tolist()) for row in pair)  # type: ignore[misc]
        for inputs, targets in getattr(data, split).batches(2, CPU)
        for pair in zip(inputs, targets, strict=True)
    ]


def test_the_alphabet_is_printable_ascii_and_the_end_of_a_line() -> None:
    assert len(ALPHABET) == 96
    assert list(ALPHABET) == ["\n", *map(chr, range(32, 127))]


def test_a_text_is_cut_in_three_and_each_part_into_windows(tmp_path: Path) -> None:
    data = own(tmp_path, "abcdefghijklmnopqrst", window=3, val=0.2, test=0.25)
    assert read(data, "train") == [("abc", "bcd"), ("def", "efg"), ("ghi", "hij")]  # of a to k; k follows no window
    assert read(data, "val") == [("lmn", "mno")]
    assert read(data, "test") == [("pqr", "qrs")]
    assert (data.name, data.classes, data.shape) == ("own", 97, (3,))


def test_a_window_is_never_cut_short_and_needs_the_token_after_it() -> None:
    tokens = torch.arange(7)
    assert [len(windows(tokens[:length], 3)) for length in (4, 6, 7)] == [1, 1, 2]


def test_characters_outside_the_alphabet_are_one_unknown(tmp_path: Path) -> None:
    data = own(tmp_path, "aébüc\tdxxxxxxxx", window=2, val=0.2, test=0.2)
    assert "".join(window for window, _ in read(data, "train")) == "a?b?c?dx"
    named = own(tmp_path, "aébüc\tdxxxxxxxx", window=2, val=0.2, test=0.2, alphabet="éa")
    assert named.classes == 3
    assert next(named.train.batches(1, CPU))[0].tolist() == [[2, 1]]


def test_an_alphabet_that_lacks_characters_is_refused_where_none_may_be_unknown(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"lacks characters of .*own\.txt: 'é' \(2x\), '\\t' \(1x\); add them to data\.alphabet"
    ):
        own(tmp_path, "aé\té", unknown=False)
    with pytest.raises(UserError, match=r"'f' \(1x\) and 1 more;"):
        own(tmp_path, "abcdefg", alphabet="a", unknown=False)
    assert own(tmp_path, "abab" * 10, window=1, alphabet="ab", unknown=False).classes == 3


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"window": 20}, r"'own' is too short: val has 5 of its 100 characters, and one window takes 21"),
        ({"window": 5, "val": 0.3}, r"test has 5 of its 100 characters, and one window takes 6"),
        ({"window": 0}, r"data\.window=0: allowed is 1 or more"),
        (
            {"val": 0.5, "test": 0.5},
            r"data\.val=0\.5 and data\.test=0\.5: allowed are shares above 0, together below 1",
        ),
        ({"test": 0.0}, r"data\.test=0: allowed are shares"),
        ({"alphabet": "aba"}, r"data\.alphabet='aba': allowed are one character or more, each of them once"),
        ({"alphabet": ""}, r"data\.alphabet=''"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, arguments: dict[str, object], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        own(tmp_path, "x" * 100, **arguments)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no/such\.txt cannot be read: No such file"):
        text("no/such.txt")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    with pytest.raises(UserError, match=r"latin\.txt is damaged or of another format .* a text file in UTF-8"):
        text(str(tmp_path / "latin.txt"))


def test_whatever_changes_a_batch_changes_the_fingerprint(tmp_path: Path) -> None:
    plain = {"content": "abcdef" * 20, "window": 3}
    variants: list[dict[str, object]] = [
        plain,
        {**plain, "content": "abcdeg" * 20},
        {**plain, "window": 4},
        {**plain, "val": 0.1},
        {**plain, "test": 0.1},
        {**plain, "alphabet": "abcdefg"},
    ]
    prints = [own(tmp_path, **variant).fingerprint for variant in variants]  # type: ignore[arg-type]
    assert len(set(prints)) == len(variants)
    assert own(tmp_path, **plain).fingerprint == prints[0]  # type: ignore[arg-type]


class TestTopics:
    @pytest.fixture(scope="class")
    @classmethod
    def data(cls) -> Dataset:
        return topics()

    def test_facts(self, data: Dataset) -> None:
        total = 128 * sum(len(split) for split in (data.train, data.val, data.test))
        assert total > 400_000
        assert len(data.val) == len(data.test) == pytest.approx(0.05 * total / 128, rel=0.02)
        assert (data.classes, data.shape) == (97, (128,))

    def test_it_is_the_text_of_help(self, data: Dataset) -> None:
        assert read(data, "train")[0][0].startswith('The "assert" statement\n**********************\n')

    def test_batches_belong_to_the_caller(self, data: Dataset) -> None:
        [(inputs, targets)] = data.val.batches(len(data.val), CPU)
        before = inputs.clone(), targets.clone()
        assert torch.equal(inputs[:, 1:], targets[:, :-1])
        assert torch.equal(inputs[1:, 0], targets[:-1, -1])  # one window after the other
        inputs.zero_()
        assert torch.equal(targets, before[1])
        targets.zero_()
        [again] = data.val.batches(len(data.val), CPU)
        assert torch.equal(again[0], before[0])

    def test_order_is_respected(self, data: Dataset) -> None:
        [(some, _)] = data.val.batches(9, CPU, order=torch.tensor([5, 0, 5]))
        [(everything, _)] = data.val.batches(len(data.val), CPU)
        assert torch.equal(some, everything[[5, 0, 5]])
        assert list(data.val.batches(4, CPU, order=torch.empty(0, dtype=torch.int64))) == []

    def test_wrong_requests_are_refused_at_the_call(self, data: Dataset) -> None:
        with pytest.raises(ValueError, match="batch_size is 0"):
            data.val.batches(0, CPU)
        with pytest.raises(ValueError, match=f"allow 0 to {len(data.val) - 1}"):
            data.val.batches(4, CPU, order=torch.tensor([len(data.val)]))
