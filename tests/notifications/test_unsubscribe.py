"""The unsubscribe link of a customer, and addresses that can't be one."""

import pytest

from core.errors import InvalidInput
from notifications.composer import UnsubscribeLinks


@pytest.mark.parametrize(
    ("own", "public", "link"),
    [
        ("", "", ""),
        ("", "https://pri.example", "https://pri.example/unsubscribe/T"),
        ("", "https://pri.example/", "https://pri.example/unsubscribe/T"),
        ("https://acme.example/stop", "https://pri.example", "https://acme.example/stop?token=T"),
        ("https://acme.example/stop?list=1", "", "https://acme.example/stop?list=1&token=T"),
        ("https://acme.example/stop#now", "", "https://acme.example/stop?token=T#now"),
        ("https://acme.example/stop/{token}/now", "", "https://acme.example/stop/T/now"),
        ("mailto:stop@acme.example", "https://pri.example", "mailto:stop@acme.example"),
    ],
)
def test_the_link_of_one_customer(own: str, public: str, link: str) -> None:
    assert UnsubscribeLinks(own, public).link_for("T") == link


@pytest.mark.parametrize(
    "address",
    [
        "acme.example/stop", "javascript:alert(1)", "https://", "https://a.example>,<https://b.example",
        "https://a\r\nBcc: x", "https://ä.example",
    ],
)  # fmt: skip
def test_unusable_unsubscribe_address_is_refused_at_start(address: str) -> None:
    with pytest.raises(InvalidInput, match="UNSUBSCRIBE_URL"):
        UnsubscribeLinks(address)
