"""Which customer ids name a person, and what stands for them."""

import re

import pytest

from core.customer_ids import hash_customer_id, is_hashed, names_person

PEOPLE = [
    "jenny@example.com", "JENNY.ROSEN+shop@mail.example.co.uk", "jenny%40example.com", " jenny@example.com ",
    "Jenny Rosen", "Rosen, Jenny", "jenny.rosen", "Renée O'Connor", "J. R. Rosen", "Jenny-Rosen", "Jenny_Rosen",
    "李 小龙", "+49 171 1234567", "+491711234567", "(030) 123-4567", "0171 1234567", "01711234567", "00491711234567",
    "030/1234567", "4242424242424242",
]  # fmt: skip
IDS = [
    "cus_NffrFeUfNV2Hib", "cus_abcdefghijklmn", "594019", "12345678901", "YOUR_UNIQUE_SHOPPER_ID_IOfW3k9G2PvXFu2j",
    "shopper-1234567", "a1b2c3d4-e5f6-7890-abcd-ef1234567890", "jenny85", "jenny", "user_12", "acme-corp", "12-34", "x",
    "", "hashed_abcdefghijklmnopqrstuvwxyz234567", "customer 12", "SUB.12.3",
]  # fmt: skip


@pytest.mark.parametrize("customer_id", PEOPLE)
def test_names_addresses_and_numbers_of_people_are_recognised(customer_id: str) -> None:
    assert names_person(customer_id)


@pytest.mark.parametrize("customer_id", IDS)
def test_other_ids_stay_as_they_are(customer_id: str) -> None:
    assert not names_person(customer_id)


def test_hash_depends_on_id_and_key_and_names_nobody() -> None:
    name = hash_customer_id("jenny@example.com", b"k" * 32)
    assert re.fullmatch(r"hashed_[a-z2-7]{32}", name)
    assert name == hash_customer_id("jenny@example.com", b"k" * 32)
    assert len({name, hash_customer_id("jenny@example.com", b"l" * 32), hash_customer_id("j@b.c", b"k" * 32)}) == 3
    assert is_hashed(name)
    assert not is_hashed("cus_1")
    assert not names_person(name), "a hashed id is never hashed again"
