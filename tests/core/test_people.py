"""Names of people are compared normalised."""

import pytest

from core.operators import is_same_person, person_key


@pytest.mark.parametrize(
    "other",
    [
        "Ann",
        "ann ",
        "\tANN\n",
        "\u00a0ann",  # no-break space
        "\uff21\uff4e\uff4e",  # full-width letters
        "a\u200dnn",  # zero-width joiner
        "\u202eann",  # right-to-left override
        "an\u00adn",  # soft hyphen
    ],
)
def test_spellings_of_one_name_are_one_person(other: str) -> None:
    assert is_same_person("ann", other)


def test_accents_and_sharp_s_have_one_form() -> None:
    assert is_same_person("Zoe\u0308", "ZOË")
    assert is_same_person("Groß", "GROSS")


@pytest.mark.parametrize("other", ["anna", "a nn", "änn", "ann@example.com", ""])
def test_other_names_are_other_people(other: str) -> None:
    assert not is_same_person("ann", other)


@pytest.mark.parametrize("name", ["Ann", "\u1e9e\u0345", "\u03b1\u0345\u0301", "İstanbul", "\ufb03 "])
def test_a_key_is_its_own_key(name: str) -> None:
    assert person_key(person_key(name)) == person_key(name)


def test_blank_name_has_no_key() -> None:
    assert person_key(" \u200b\t") == ""
