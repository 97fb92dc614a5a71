"""Handles calls to the fake Braintree: authenticate, find or run, send webhooks. There are no idempotency keys."""

import asyncio
import re
from dataclasses import replace

from sandbox.braintree import transactions, webhooks, xml_trees
from sandbox.braintree.xml import dump_document
from sandbox.calls import Answer, Call
from sandbox.gateway import CallRunner
from sandbox.models import Document
from sandbox.outcomes import Effect, Outcome, Reply
from sandbox.webhook_sender import WebhookFormat, WebhookSender
from sandbox.world import SandboxWorld, apply_fault

MERCHANT_PATH = re.compile(r"^/braintree/merchants/[^/]+/(?P<what>[a-z_]+)(?:/(?P<id>.+))?$")
DOCUMENT_KINDS = {
    "transactions": "bt_transaction",
    "subscriptions": "bt_subscription",
    "payment_methods": "bt_method",
    "customers": "bt_customer",
}
NOT_FOUND = Answer(404, "", keep=False)
CARD_FIELDS = ("token", "instrument", "card_type", "last4", "fingerprint")
"""What a transaction takes over from a stored method."""
PARTIAL_SETTLEMENT = "submit_for_partial_settlement"
ACCEPTED_STATUSES = frozenset(
    {transactions.SUBMITTED_FOR_SETTLEMENT, transactions.SETTLEMENT_PENDING, transactions.AUTHORIZED}
)
"""No refusal."""


class BraintreeGateway:
    """The fake Braintree without HTTP."""

    def __init__(self, world: SandboxWorld) -> None:
        self._world = world
        self._calls = CallRunner(world, self._answer_call, lambda call: _invoice_of_call(world, call))
        config = world.config
        webhook_format = WebhookFormat(webhooks.sign_braintree_webhook, webhooks.describe_braintree_webhook)
        self.webhook_sender = WebhookSender(config, webhook_format, config.braintree_webhook_url, config.braintree_keys)

    async def handle(self, call: Call) -> Answer:
        """Answer a call. Once begun it runs to its end, whether or not the caller still listens."""
        return await self._calls.run(call)

    async def close(self) -> None:
        """End what still runs and what is still on its way; unfinished requests have changed nothing."""
        await self._calls.close()
        await self.webhook_sender.close()

    async def _answer_call(self, call: Call) -> Answer:
        found = MERCHANT_PATH.match(call.path)
        if not call.authorization.startswith("Basic "):
            return Answer(401, "", keep=False)
        if scripted := await apply_fault(self._world, call, _scripted_error):
            return scripted
        if found is None:
            return NOT_FOUND
        if call.method == "POST" and found["what"] == "transactions" and not found["id"]:
            return await self._run_sale(call)
        return self._route_call(call, found["what"], found["id"] or "")

    def _route_call(self, call: Call, what: str, name: str) -> Answer:
        if call.method == "POST" and what == "transactions":
            transaction, _, action = name.partition("/")
            return (
                self._capture_part(call, transaction)
                if action == PARTIAL_SETTLEMENT
                else self._search_transactions(call, name)
            )
        if call.method == "POST" and what == "customers":
            return self._search_customers(call)
        if call.method == "PUT" and what == "subscriptions":
            return self._change_subscription(call, name)
        if call.method == "DELETE":
            return self._delete_document(what, name.removeprefix("any/"))
        kind = DOCUMENT_KINDS.get(what, "")
        found = self._find_undeleted(kind, name.removeprefix("any/"))
        return self._show_document(kind, found) if found else NOT_FOUND

    def _find_undeleted(self, kind: str, name: str) -> Document | None:
        """What is deleted is not found any more."""
        found = self._world.store.get(kind, name)
        return found if found and not found.get("deleted") else None

    def _delete_document(self, what: str, name: str) -> Answer:
        delete = {
            "payment_methods": transactions.delete_vaulted_method,
            "customers": transactions.delete_vaulted_customer,
        }.get(what)
        return Answer(200, "") if delete and delete(self._world, name) else NOT_FOUND

    def _show_document(self, kind: str, found: Document) -> Answer:
        if kind == "bt_transaction":
            return Answer(200, dump_document("transaction", xml_trees.transaction_tree(found)))
        if kind == "bt_method":
            return Answer(200, dump_document(*xml_trees.stored_method_tree(found)))
        if kind == "bt_customer":
            held = self._world.store.find("bt_method", customer=found["id"])
            methods = [one for one in held if not one.get("deleted")]
            return Answer(200, dump_document("customer", xml_trees.customer_tree(found, methods)))
        listed = transactions.transactions_of_subscription(self._world, found["id"])
        return Answer(200, dump_document("subscription", xml_trees.subscription_tree(found, listed)))

    def _search_transactions(self, call: Call, name: str) -> Answer:
        """By order id, in two steps as Braintree does: the ids, then their transactions."""
        wanted = call.params.get("order_id")
        order = wanted.get("is") if isinstance(wanted, dict) else None
        found = [
            one for one in transactions.transactions_of_invoice(self._world, str(order)) if one["order_id"] == order
        ]
        if name == "advanced_search_ids":
            ids = [("item", one["id"]) for one in found]
            return Answer(200, dump_document("search-results", {"page-size": 50, "ids": ids}))
        asked = call.params.get("ids") or []
        shown = "".join(transaction_xml(one) for one in found if one["id"] in asked)
        return Answer(200, f'<credit-card-transactions type="collection">{shown}</credit-card-transactions>')

    def _search_customers(self, call: Call) -> Answer:
        """By id, the first of the two steps: .../reference/request/customer/search."""
        wanted = call.params.get("id")
        name = str(wanted.get("is")) if isinstance(wanted, dict) else ""
        ids = [("item", name)] if self._find_undeleted("bt_customer", name) else []
        return Answer(200, dump_document("search-results", {"page-size": 50, "ids": ids}))

    def _capture_part(self, call: Call, name: str) -> Answer:
        """A part of an authorisation."""
        parent = self._world.store.get("bt_transaction", name)
        if parent is None:
            return NOT_FOUND
        if parent["status"] != transactions.AUTHORIZED:
            return invalid_request_answer("transaction", "915103", "Cannot submit for partial settlement.")
        with self._world.store.transaction():
            amount, order_id = str(call.params.get("amount")), call.params.get("order_id")
            return _transaction_answer(transactions.capture_part(self._world, parent, amount, order_id))

    def _change_subscription(self, call: Call, name: str) -> Answer:
        """Another method for a subscription."""
        token, found = call.params.get("payment_method_token"), self._world.store.get("bt_subscription", name)
        if found is None:
            return NOT_FOUND
        method = self._find_undeleted("bt_method", str(token))
        if method is None:
            return invalid_request_answer("subscription", "91903", "Payment method token is invalid.")
        card = {key: method.get(key) for key in CARD_FIELDS}
        return self._show_document("bt_subscription", self._world.store.put("bt_subscription", found | card))

    async def _run_sale(self, call: Call) -> Answer:
        before = self._previous_transaction(call.params)
        if isinstance(before, Answer):
            return before
        outcome = self._world.take_outcome(transactions.braintree_script_id(before["invoice"]))
        await asyncio.sleep(outcome.before)
        if outcome.effect is Effect.NOTHING:
            return _answer_as_scripted(outcome, Answer())
        with self._world.store.transaction():
            again = self._previous_transaction(call.params)  # it may have been paid while this one hung
            if isinstance(again, Answer):
                return again
            one = transactions.execute_transaction(
                self._world, again, str(call.params["amount"]), outcome, submitted=_asks_for_settlement(call)
            )
            told = self._record_webhooks(one)
        await self._send_webhooks(before["invoice"], told)
        return _answer_as_scripted(outcome, _transaction_answer(one))

    def _previous_transaction(self, params: Document) -> Document | Answer:
        """What is tried again, with the card that will pay; or what is wrong with the request."""
        if not params.get("amount"):
            return invalid_request_answer("transaction", "81502", "Amount is required.")
        if subscription := params.get("subscription_id"):
            return self._past_due_transaction(subscription)
        method = self._find_undeleted("bt_method", str(params.get("payment_method_token")))
        if method is None:
            return invalid_request_answer("transaction", "91518", "Payment method token is invalid.")
        order = params.get("order_id") or transactions.new_braintree_id("order")
        known = (
            transactions.transactions_of_invoice(self._world, order) or [{"currency": "USD", "subscription": None}]
        )[0]
        card = {key: method.get(key) for key in ("customer", *CARD_FIELDS)}
        return {**known, **card, "invoice": order, "order_id": order}

    def _past_due_transaction(self, name: str) -> Document | Answer:
        found = self._world.store.get("bt_subscription", name)
        if found is None:
            return invalid_request_answer("transaction", "91528", "Subscription ID is invalid.")
        unguarded = self._world.script_control(transactions.braintree_script_id(found["invoice"]))["unguarded"]
        if found["status"] != transactions.PAST_DUE and not unguarded:
            return invalid_request_answer(
                "transaction", "91531", "Subscription status must be Past Due in order to retry."
            )
        names = ("customer", *CARD_FIELDS, "start", "end", "currency", "invoice")
        return {**{key: found.get(key) for key in names}, "subscription": name, "order_id": None}

    def _record_webhooks(self, one: Document) -> list[Document]:
        """The webhooks of a transaction; a single sale that fails has none, since only its caller learns of it."""
        paid = one["status"] in {transactions.SUBMITTED_FOR_SETTLEMENT, transactions.SETTLEMENT_PENDING}
        if one["status"] == transactions.AUTHORIZED:
            return []
        if not one["subscription"]:
            settled = one["status"] == transactions.SUBMITTED_FOR_SETTLEMENT
            return [webhooks.record_notification(self._world, "transaction_settled", one)] if settled else []
        how = "successfully" if paid else "unsuccessfully"
        return [webhooks.record_notification(self._world, f"subscription_charged_{how}", one)]

    async def _send_webhooks(self, invoice: str, events: list[Document]) -> None:
        if delivery := self._world.echo_delivery(transactions.braintree_script_id(invoice)):
            await self.webhook_sender.send_bodies([webhooks.event_body(event) for event in events], delivery)


def transaction_xml(one: Document) -> str:
    """A transaction inside of a collection."""
    return dump_document("transaction", xml_trees.transaction_tree(one)).partition("\n")[2]


def invalid_request_answer(about: str, code: str, message: str) -> Answer:
    """HTTP 422 without a transaction."""
    error = {"code": code, "attribute": "base", "message": message}
    errors = {"errors": [], about: {"errors": [("error", error)]}}
    return Answer(422, dump_document("api-error-response", {"errors": errors, "message": message}), outcome=code)


def _asks_for_settlement(call: Call) -> bool:
    """Whether a sale asks for settlement; by default it only authorises (guides/transactions, Settlement)."""
    options = call.params.get("options")
    return isinstance(options, dict) and options.get("submit_for_settlement") == "true"


def _transaction_answer(one: Document) -> Answer:
    if one["status"] in ACCEPTED_STATUSES:
        return Answer(201, dump_document("transaction", xml_trees.transaction_tree(one)))
    message = one.get("text") or f"Gateway Rejected: {one['rejection']}"
    told: Document = {"errors": {"errors": []}, "message": message, "transaction": xml_trees.transaction_tree(one)}
    return Answer(422, dump_document("api-error-response", told))


def _answer_as_scripted(outcome: Outcome, truth: Answer) -> Answer:
    text, after = outcome.text, outcome.after
    if outcome.reply is Reply.MALFORMED:
        return Answer(200, "<nonsense><much>true</much></nonsense>", after=after, outcome=text)
    if outcome.reply is Reply.GARBAGE:
        return Answer(outcome.status, outcome.body, after=after, outcome=text)
    if outcome.reply is Reply.ERROR:
        return replace(_scripted_error(outcome), after=after, outcome=text)
    drop = outcome.reply is Reply.DROP
    return Answer(truth.status, truth.body, drop=drop, after=after, outcome=text)


def _scripted_error(outcome: Outcome) -> Answer:
    return Answer(outcome.status, "", outcome.retry_headers)


def _invoice_of_call(world: SandboxWorld, call: Call) -> str | None:
    found = world.store.get("bt_subscription", call.params.get("subscription_id") or call.path.rpartition("/")[2])
    order = call.params.get("order_id")
    named = order.get("is") if isinstance(order, dict) else order
    return str(found["invoice"]) if found else named
