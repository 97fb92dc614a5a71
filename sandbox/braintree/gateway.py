"""How calls to the fake Braintree are answered: authenticate, find or run, tell. There are no idempotency keys."""

import asyncio
import re

from sandbox import faults, log
from sandbox.braintree import books, notices, shapes
from sandbox.braintree.xml import document
from sandbox.call import Answer, Call
from sandbox.courier import Courier, Letter
from sandbox.models import Delivery, Document
from sandbox.outcomes import Effect, Outcome, Reply
from sandbox.pay import take
from sandbox.running import Running
from sandbox.world import World

PATH = re.compile(r"^/braintree/merchants/[^/]+/(?P<what>[a-z_]+)(?:/(?P<id>.+))?$")
KINDS = {
    "transactions": "bt_transaction",
    "subscriptions": "bt_subscription",
    "payment_methods": "bt_method",
    "customers": "bt_customer",
}
NOTHING = Answer(404, "", keep=False)
CARD = ("token", "instrument", "card_type", "last4", "fingerprint")
"""What a transaction takes over from a stored method."""
PARTIAL = "submit_for_partial_settlement"
TAKEN = frozenset({books.PAID, books.PENDING, books.AUTHORIZED})
"""No refusal."""


class BraintreeGateway:
    """The fake Braintree without HTTP."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._running: Running[Answer] = Running()
        config = world.config
        letter = Letter(notices.seal, notices.named)
        self.courier = Courier(config, letter, config.braintree_webhook_url, config.braintree_keys)

    async def handle(self, call: Call) -> Answer:
        """Answer a call. Once begun it runs to its end, whether or not the caller still listens."""
        return await self._running.shielded(self._logged(call))

    async def close(self) -> None:
        """End what still runs; unfinished requests have changed nothing."""
        await self._running.close()
        await self.courier.close()

    async def _logged(self, call: Call) -> Answer:
        sequence = log.noted(self._world, call, _invoice(self._world, call))
        answer = await self._answer(call)
        log.end(self._world, sequence, answer)
        if answer.after:
            await asyncio.sleep(answer.after)
        return answer

    async def _answer(self, call: Call) -> Answer:
        found = PATH.match(call.path)
        if not call.authorization.startswith("Basic "):
            return Answer(401, "", keep=False)
        if scripted := await faults.strike(self._world, call):
            return scripted
        if found is None:
            return NOTHING
        if call.method == "POST" and found["what"] == "transactions" and not found["id"]:
            return await self._pay(call)
        return self._read(call, found["what"], found["id"] or "")

    def _read(self, call: Call, what: str, name: str) -> Answer:
        if call.method == "POST" and what == "transactions":
            transaction, _, action = name.partition("/")
            return self._captured(call, transaction) if action == PARTIAL else self._searched(call, name)
        if call.method == "POST" and what == "customers":
            return self._searched_customers(call)
        if call.method == "PUT" and what == "subscriptions":
            return self._changed(call, name)
        if call.method == "DELETE":
            return self._deleted(what, name.removeprefix("any/"))
        kind = KINDS.get(what, "")
        found = self._known(kind, name.removeprefix("any/"))
        return self._shown(kind, found) if found else NOTHING

    def _known(self, kind: str, name: str) -> Document | None:
        """What is deleted is not found any more."""
        found = self._world.store.get(kind, name)
        return found if found and not found.get("deleted") else None

    def _deleted(self, what: str, name: str) -> Answer:
        delete = {"payment_methods": books.delete_method, "customers": books.delete_customer}.get(what)
        return Answer(200, "") if delete and delete(self._world, name) else NOTHING

    def _shown(self, kind: str, found: Document) -> Answer:
        if kind == "bt_transaction":
            return Answer(200, document("transaction", shapes.transaction(found)))
        if kind == "bt_method":
            return Answer(200, document(*shapes.stored(found)))
        if kind == "bt_customer":
            held = self._world.store.find("bt_method", customer=found["id"])
            methods = [one for one in held if not one.get("deleted")]
            return Answer(200, document("customer", shapes.customer(found, methods)))
        listed = books.of_subscription(self._world, found["id"])
        return Answer(200, document("subscription", shapes.subscription(found, listed)))

    def _searched(self, call: Call, name: str) -> Answer:
        """By order id, in two steps as Braintree does: the ids, then their transactions."""
        wanted = call.params.get("order_id")
        order = wanted.get("is") if isinstance(wanted, dict) else None
        found = [one for one in books.transactions(self._world, str(order)) if one["order_id"] == order]
        if name == "advanced_search_ids":
            ids = [("item", one["id"]) for one in found]
            return Answer(200, document("search-results", {"page-size": 50, "ids": ids}))
        asked = call.params.get("ids") or []
        shown = "".join(document_part(one) for one in found if one["id"] in asked)
        return Answer(200, f'<credit-card-transactions type="collection">{shown}</credit-card-transactions>')

    def _searched_customers(self, call: Call) -> Answer:
        """By id, the first of the two steps: .../reference/request/customer/search."""
        wanted = call.params.get("id")
        name = str(wanted.get("is")) if isinstance(wanted, dict) else ""
        ids = [("item", name)] if self._known("bt_customer", name) else []
        return Answer(200, document("search-results", {"page-size": 50, "ids": ids}))

    def _captured(self, call: Call, name: str) -> Answer:
        """A part of an authorisation."""
        parent = self._world.store.get("bt_transaction", name)
        if parent is None:
            return NOTHING
        if parent["status"] != books.AUTHORIZED:
            return invalid("transaction", "915103", "Cannot submit for partial settlement.")
        with self._world.store.transaction():
            amount, order_id = str(call.params.get("amount")), call.params.get("order_id")
            return _result(books.capture_part(self._world, parent, amount, order_id))

    def _changed(self, call: Call, name: str) -> Answer:
        """Another method for a subscription."""
        token, found = call.params.get("payment_method_token"), self._world.store.get("bt_subscription", name)
        if found is None:
            return NOTHING
        method = self._known("bt_method", str(token))
        if method is None:
            return invalid("subscription", "91903", "Payment method token is invalid.")
        card = {key: method.get(key) for key in CARD}
        return self._shown("bt_subscription", self._world.store.put("bt_subscription", found | card))

    async def _pay(self, call: Call) -> Answer:
        before = self._before(call.params)
        if isinstance(before, Answer):
            return before
        outcome = take(self._world, books.control_id(before["invoice"]))
        await asyncio.sleep(outcome.before)
        if outcome.effect is Effect.NOTHING:
            return _replied(outcome, Answer())
        with self._world.store.transaction():
            again = self._before(call.params)  # it may have been paid while this one hung
            if isinstance(again, Answer):
                return again
            one = books.execute(self._world, again, str(call.params["amount"]), outcome, submitted=_submits(call))
            told = self._told(one)
        await self._tell(before["invoice"], told)
        return _replied(outcome, _result(one))

    def _before(self, params: Document) -> Document | Answer:
        """What is tried again, with the card that will pay; or what is wrong with the request."""
        if not params.get("amount"):
            return invalid("transaction", "81502", "Amount is required.")
        if subscription := params.get("subscription_id"):
            return self._past_due(subscription)
        method = self._known("bt_method", str(params.get("payment_method_token")))
        if method is None:
            return invalid("transaction", "91518", "Payment method token is invalid.")
        order = params.get("order_id") or books.fresh("order")
        known = (books.transactions(self._world, order) or [{"currency": "USD", "subscription": None}])[0]
        card = {key: method.get(key) for key in ("customer", *CARD)}
        return {**known, **card, "invoice": order, "order_id": order}

    def _past_due(self, name: str) -> Document | Answer:
        found = self._world.store.get("bt_subscription", name)
        if found is None:
            return invalid("transaction", "91528", "Subscription ID is invalid.")
        unguarded = self._world.control(books.control_id(found["invoice"]))["unguarded"]
        if found["status"] != books.PAST_DUE and not unguarded:
            return invalid("transaction", "91531", "Subscription status must be Past Due in order to retry.")
        names = ("customer", *CARD, "start", "end", "currency", "invoice")
        return {**{key: found.get(key) for key in names}, "subscription": name, "order_id": None}

    def _told(self, one: Document) -> list[Document]:
        """Of a single sale that fails, Braintree tells nobody but its caller."""
        paid = one["status"] in {books.PAID, books.PENDING}
        if one["status"] == books.AUTHORIZED:
            return []
        if not one["subscription"]:
            settled = one["status"] == books.PAID
            return [notices.record(self._world, "transaction_settled", one)] if settled else []
        how = "successfully" if paid else "unsuccessfully"
        return [notices.record(self._world, f"subscription_charged_{how}", one)]

    async def _tell(self, invoice: str, told: list[Document]) -> None:
        control = self._world.control(books.control_id(invoice))
        if self._world.config.echo and control["echo"]:
            delivery = Delivery.model_validate(control["echo_delivery"] | {"wait": False})
            await self.courier.send_bodies([event["xml"].encode() for event in told], delivery)


def document_part(one: Document) -> str:
    """A transaction inside of a collection."""
    return document("transaction", shapes.transaction(one)).partition("\n")[2]


def invalid(about: str, code: str, message: str) -> Answer:
    """HTTP 422 without a transaction."""
    error = {"code": code, "attribute": "base", "message": message}
    errors = {"errors": [], about: {"errors": [("error", error)]}}
    return Answer(422, document("api-error-response", {"errors": errors, "message": message}), outcome=code)


def _submits(call: Call) -> bool:
    """Whether a sale asks for settlement; by default it only authorises (guides/transactions, Settlement)."""
    options = call.params.get("options")
    return isinstance(options, dict) and options.get("submit_for_settlement") == "true"


def _result(one: Document) -> Answer:
    if one["status"] in TAKEN:
        return Answer(201, document("transaction", shapes.transaction(one)))
    message = one.get("text") or f"Gateway Rejected: {one['rejection']}"
    told: Document = {"errors": {"errors": []}, "message": message, "transaction": shapes.transaction(one)}
    return Answer(422, document("api-error-response", told))


def _replied(outcome: Outcome, truth: Answer) -> Answer:
    text, after = outcome.text, outcome.after
    if outcome.reply is Reply.MALFORMED:
        return Answer(200, "<nonsense><much>true</much></nonsense>", after=after, outcome=text)
    if outcome.reply is Reply.ERROR:
        headers = {"Retry-After": outcome.retry_after} if outcome.retry_after else {}
        return Answer(outcome.status, "", headers, after=after, outcome=text)
    drop = outcome.reply is Reply.DROP
    return Answer(truth.status, truth.body, drop=drop, after=after, outcome=text)


def _invoice(world: World, call: Call) -> str | None:
    found = world.store.get("bt_subscription", call.params.get("subscription_id") or call.path.rpartition("/")[2])
    order = call.params.get("order_id")
    named = order.get("is") if isinstance(order, dict) else order
    return str(found["invoice"]) if found else named
