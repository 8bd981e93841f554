"""Client order ids: valid everywhere, never twice."""

from __future__ import annotations

import re
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btccxt.errors import ConfigError
from btccxt.orders.client_ids import TAG_LIMIT, ClientIds, new_tag

tags = st.integers(0, TAG_LIMIT - 1)
sequences = st.integers(1, 2**30 - 1)


@given(tags, sequences)
def test_the_text_form_suits_every_exchange(tag: int, sequence: int) -> None:
    assert re.fullmatch(r"b[0-9a-z]{15}", ClientIds(tag, 1).format(sequence))


@given(tags, sequences)
def test_the_integer_form_has_45_bits_and_a_stable_length_is_positive(tag: int, sequence: int) -> None:
    number = int(ClientIds(tag, 1).format(sequence, "integer", 14))
    assert 2**30 <= number < 2**45


@given(tags, sequences)
def test_the_hex_form_has_32_digits(tag: int, sequence: int) -> None:
    assert re.fullmatch(r"0x[0-9a-f]{32}", ClientIds(tag, 1).format(sequence, "hex", 34))


@given(tags, st.integers(0, 2**20 - 1))
def test_where_ids_have_32_bits_they_fit_and_are_known_again(tag: int, sequence: int) -> None:
    ids = ClientIds(tag, 1)
    small = ids.format(sequence, "integer", 10)
    assert 0 < int(small) < 2**32
    assert ids.is_ours(small)
    assert small != ids.format(sequence, "integer", 14)


@given(tags, sequences)
def test_the_uuid_form_is_one(tag: int, sequence: int) -> None:
    made = uuid.UUID(ClientIds(tag, 1).format(sequence, "uuid", 36))
    assert (made.version, made.variant) == (4, uuid.RFC_4122)


@given(tags, st.sets(sequences, min_size=2, max_size=2), st.sampled_from(["text", "integer", "hex", "uuid"]))
def test_two_numbers_never_share_an_id_and_the_journal_knows_its_own(tag: int, two: set[int], form) -> None:
    ids = ClientIds(tag, 1)
    first, second = (ids.format(sequence, form, 36) for sequence in two)
    assert first != second
    assert ids.is_ours(first)


@given(tags, tags, sequences)
def test_ids_of_another_journal_are_not_ours(tag: int, other: int, sequence: int) -> None:
    if tag == other:
        return
    assert not ClientIds(tag, 1).is_ours(ClientIds(other, 1).format(sequence))
    assert not ClientIds(tag, 1).is_ours(ClientIds(other, 1).format(sequence, "hex", 34))
    assert not ClientIds(tag, 1).is_ours(ClientIds(other, 1).format(sequence, "uuid", 36))


@pytest.mark.parametrize("id_", [None, "", "web_123", "0x12", "b", "x-TKT5PX2Fabc", "１２３"])
def test_ids_of_others_are_not_ours(id_: str | None) -> None:
    assert not ClientIds(5, 1).is_ours(id_)


def test_a_shorter_text_form_is_made_where_the_profile_asks_for_it() -> None:
    assert len(ClientIds(7, 1).new("text", 13)) == 13


@pytest.mark.parametrize(("form", "length"), [("text", 11), ("integer", 9), ("hex", 33), ("uuid", 35)])
def test_a_profile_that_leaves_no_room_is_refused(form, length: int) -> None:
    with pytest.raises(ConfigError, match="needs at least"):
        ClientIds(1, 1).new(form, length)


def test_an_exhausted_counter_raises_instead_of_starting_again() -> None:
    with pytest.raises(OverflowError):
        ClientIds(1, 2**30).new("integer", 14)
    with pytest.raises(OverflowError):
        ClientIds(1, 36**4).new("text", 12)
    with pytest.raises(OverflowError):
        ClientIds(1, 2**20).new("integer", 10)


def test_threads_never_get_the_same_id() -> None:
    ids = ClientIds(new_tag(), 1)
    with ThreadPoolExecutor(8) as pool:
        drawn = list(pool.map(lambda _: ids.new(), range(2_000)))
    assert len(set(drawn)) == 2_000
    assert ids.next_sequence == 2_001
