"""`pri trigger` against a receiver: it sends what a provider would send."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from devstack.ports import free_port
from providers.braintree.config import BraintreeConfig
from providers.braintree.webhook import BraintreeWebhooks
from sandbox.adyen.webhooks import sign_item
from sandbox.stripe.webhooks import sign_stripe_payload
from tests.commands.conftest import Pri

SECRET = "whsec_for_this_test"


class WebhookRecorder:
    """Received webhooks, and the address for them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.posts: list[tuple[str, str, bytes]] = []


@contextmanager
def run_recorder() -> Iterator[WebhookRecorder]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.posts.append((self.path, self.headers.get("Stripe-Signature", ""), body))
            self.send_response(202)
            self.end_headers()
            self.wfile.write(b'{"status": "accepted"}')

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    received = WebhookRecorder(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield received
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def receiver() -> Iterator[WebhookRecorder]:
    with run_recorder() as recorder:
        yield recorder


def test_trigger_posts_a_signed_failure(pri: Pri, receiver: WebhookRecorder) -> None:
    words = ("--invoice", "in_mine", "--amount", "1234", "--currency", "CHF", "--decline-code", "expired_card")
    answer = pri("trigger", "stripe", *words, "--url", receiver.url, STRIPE_WEBHOOK_SECRETS=f"{SECRET},old")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == 'in_mine: the webhook got 202: {"status": "accepted"}\n'
    [(path, signature, body)] = receiver.posts
    assert path == "/webhooks/stripe"
    signed_at = int(signature.partition(",")[0].removeprefix("t="))
    assert signature == sign_stripe_payload(body, SECRET, signed_at)
    event = json.loads(body)
    invoice = event["data"]["object"]
    assert event["type"] == "invoice.payment_failed"
    assert (invoice["id"], invoice["amount_due"], invoice["currency"]) == ("in_mine", 1234, "chf")


def test_trigger_uses_the_secret_of_the_data_directory(pri: Pri, receiver: WebhookRecorder, tmp_path: Path) -> None:
    secrets = {"webhook_secret": SECRET, "bootstrap_key": "k", "stripe_key": "s", "sandbox_port": free_port()}
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dev.json").write_text(json.dumps(secrets))
    for _ in range(2):
        assert pri("trigger", "stripe", "--data-dir", "data", "--url", receiver.url).code == 0
    bodies = [json.loads(body) for _, _, body in receiver.posts]
    assert [signature for _, signature, body in receiver.posts] == [
        sign_stripe_payload(body, SECRET, int(signature.partition(",")[0].removeprefix("t=")))
        for _, signature, body in receiver.posts
    ]
    assert len({body["data"]["object"]["id"] for body in bodies}) == 2, "an invoice that is not named is a new one"


def test_trigger_without_a_server_says_what_to_do(pri: Pri) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    complaint = pri("trigger", "stripe", "--url", url, STRIPE_WEBHOOK_SECRETS=SECRET).error_line()
    assert url in complaint
    assert "pri dev" in complaint


def test_trigger_without_a_secret_says_what_to_set(pri: Pri) -> None:
    assert "STRIPE_WEBHOOK_SECRETS" in pri("trigger", "stripe").error_line()


def test_unknown_currency_is_refused(pri: Pri) -> None:
    assert "CURRENCY" in pri("trigger", "stripe", "--currency", "euros", STRIPE_WEBHOOK_SECRETS=SECRET).error_line()


HMAC_KEY = "ab" * 32


def test_trigger_posts_a_signed_adyen_refusal(pri: Pri, receiver: WebhookRecorder) -> None:
    words = ("--invoice", "order 7", "--amount", "1234", "--currency", "CHF", "--decline-code", "expired_card")
    answer = pri("trigger", "adyen", *words, "--url", receiver.url, ADYEN_HMAC_KEYS=f"{HMAC_KEY},{'cd' * 32}")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == 'order 7: the webhook got 202: {"status": "accepted"}\n'
    [(path, _, body)] = receiver.posts
    assert path == "/webhooks/adyen"
    [wrapper] = json.loads(body)["notificationItems"]
    item = wrapper["NotificationRequestItem"]
    assert item["additionalData"]["hmacSignature"] == sign_item(item, HMAC_KEY)
    assert (item["merchantReference"], item["reason"], item["success"]) == ("order 7", "Expired Card", "false")
    assert item["amount"] == {"value": 1234, "currency": "CHF"}


def test_a_data_directory_of_an_older_release_gets_keys_for_adyen(
    pri: Pri, receiver: WebhookRecorder, tmp_path: Path
) -> None:
    secrets = {"webhook_secret": SECRET, "bootstrap_key": "k", "stripe_key": "s", "sandbox_port": free_port()}
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dev.json").write_text(json.dumps(secrets))
    for _ in range(2):
        assert pri("trigger", "adyen", "--data-dir", "data", "--url", receiver.url).code == 0
    secrets = json.loads((tmp_path / "data" / "dev.json").read_text())
    assert {name: secrets[name] for name in secrets} == secrets
    for _, _, body in receiver.posts:
        item = json.loads(body)["notificationItems"][0]["NotificationRequestItem"]
        assert item["additionalData"]["hmacSignature"] == sign_item(item, secrets["adyen_hmac_key"])


def test_trigger_without_an_adyen_key_says_what_to_set(pri: Pri) -> None:
    assert "ADYEN_HMAC_KEYS" in pri("trigger", "adyen").error_line()


BRAINTREE = {"BRAINTREE_PUBLIC_KEY": "public", "BRAINTREE_PRIVATE_KEY": "private"}


@pytest.mark.parametrize(
    ("invoice", "kind"),
    [("sub7-2026-11-01", "subscription_charged_unsuccessfully"), ("order7", "transaction_retried")],
)
def test_trigger_posts_a_signed_braintree_failure(pri: Pri, receiver: WebhookRecorder, invoice: str, kind: str) -> None:
    words = ("--invoice", invoice, "--amount", "1234", "--currency", "CHF", "--decline-code", "expired_card")
    answer = pri("trigger", "braintree", *words, "--url", receiver.url, **BRAINTREE)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == f'{invoice}: the webhook got 202: {{"status": "accepted"}}\n'
    [(path, _, body)] = receiver.posts
    assert path == "/webhooks/braintree"
    webhooks = BraintreeWebhooks(BraintreeConfig("", "public", "private"))
    webhooks.verify({}, body, datetime.now(UTC))
    (event,) = webhooks.normalise(body)
    assert (event.event_type, event.invoice_id, event.amount, event.currency) == (kind, invoice, 1234, "CHF")
    assert event.failure
    assert event.failure.code == "2004"


def test_trigger_without_braintree_keys_says_what_to_set(pri: Pri) -> None:
    assert "BRAINTREE_PRIVATE_KEY" in pri("trigger", "braintree", BRAINTREE_PUBLIC_KEY="public").error_line()
