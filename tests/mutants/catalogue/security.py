"""Bugs in who may do what, and in what is kept about people."""

from typing import Final

from tests.mutants.mutant import Edit, Mutant

SIGNATURE: Final = "providers/stripe/signature.py"
REDACTION: Final = "core/redaction/text.py"
OPERATORS: Final = "core/operators.py"
RETRY_CAP: Final = "api/retry_cap.py"

SECURITY: Final = (
    Mutant(
        name="signature-ignored",
        promise="security",
        bug="a webhook that nobody signed is accepted",
        edits=(
            Edit(
                file=SIGNATURE,
                old='    if not any(_is_signed(text, header or "", secret) for secret in secrets):\n',
                new="    if not secrets and text:\n",
            ),
        ),
        checks=("tests/providers/stripe/test_signature.py::test_invalid_signature_is_refused_with_a_reason",),
    ),
    Mutant(
        name="signature-never-too-old",
        promise="security",
        bug="a signed webhook can be sent again for ever",
        edits=(
            Edit(
                file=SIGNATURE,
                old="    if abs(now.timestamp() - seconds) > TOLERANCE_SECONDS:\n",
                new="    if seconds - now.timestamp() > TOLERANCE_SECONDS:\n",
            ),
        ),
        checks=(
            "tests/providers/stripe/test_signature.py::test_invalid_signature_is_refused_with_a_reason",
            "tests/providers/stripe/test_signature.py::test_age_counts_from_the_given_now_not_from_the_clock",
        ),
    ),
    Mutant(
        name="retry-cap-unlocked",
        promise="security",
        bug="parallel retries count before any of them is reserved",
        edits=(
            Edit(
                file=RETRY_CAP,
                old="            await operator_actions.lock_retries(session, command.actor)\n",
                new="",
            ),
        ),
        checks=(
            "tests/api/test_retry_cap.py::test_parallel_retries_never_pass_the_cap",
            "tests/api/test_retry_cap.py::test_parallel_retries_over_two_processes_share_the_cap",
        ),
    ),
    Mutant(
        name="retry-cap-unreserved",
        promise="security",
        bug="a retry takes no place until it is recorded",
        edits=(
            Edit(
                file=RETRY_CAP,
                old="        await self._record(session, AuditAction.RETRY_RESERVED, token, command, now)\n",
                new="",
            ),
        ),
        checks=("tests/api/test_retry_cap.py::test_parallel_retries_never_pass_the_cap",),
    ),
    Mutant(
        name="approval-by-one-person",
        promise="security",
        bug="one person under two spellings is two people",
        edits=(
            Edit(
                file=OPERATORS,
                old="    return person_key(one) == person_key(other)\n",
                new="    return one == other\n",
            ),
        ),
        checks=(
            "tests/api/test_second_approver.py::test_one_person_with_two_keys_is_not_two_people",
            "tests/db/test_approvals.py::test_one_person_is_no_second_one_under_another_spelling",
        ),
    ),
    Mutant(
        name="bootstrap-key-approves",
        promise="security",
        bug="the bootstrap key is the second person",
        edits=(
            Edit(
                file=OPERATORS,
                old="is_second = may_be_second and not is_same_person(ask.asked_by, actor)",
                new="is_second = not is_same_person(ask.asked_by, actor)",
            ),
        ),
        checks=("tests/api/test_second_approver.py::test_the_bootstrap_key_is_never_the_second_person",),
    ),
    Mutant(
        name="signal-without-approval",
        promise="security",
        bug="a signal of one person is carried out above the amount",
        edits=(
            Edit(
                file="activities/recording.py",
                old="        return None if granted else second_approver_refusal()\n",
                new="        return None\n",
            ),
        ),
        checks=(
            "tests/activities/test_approvals.py::test_a_signal_of_one_person_is_written_as_refused",
            "tests/activities/test_approvals.py::test_update_of_one_person_is_refused_with_the_reason_and_writes_nothing",
        ),
    ),
    Mutant(
        name="revoked-key-works",
        promise="security",
        bug="a revoked API key goes on working",
        edits=(
            Edit(
                file="db/repositories/api_keys.py",
                old="        table.c.revoked_at.is_(None),\n        or_(",
                new="        or_(",
            ),
        ),
        checks=("tests/api/test_auth.py::test_keys_expire_and_are_revoked",),
    ),
    Mutant(
        name="scopes-ignored",
        promise="security",
        bug="a key may do what its scopes don't say",
        edits=(
            Edit(
                file="api/auth.py",
                old="        if found.scopes.isdisjoint(scopes):\n",
                new="        if not scopes:\n",
            ),
        ),
        checks=("tests/api/test_auth.py::test_key_without_the_scope_is_403",),
    ),
    Mutant(
        name="guesses-not-counted",
        promise="security",
        bug="wrong API keys can be tried without end",
        edits=(
            Edit(
                file="api/auth.py",
                old="                shared.limits.bearers.record_failure(address)\n",
                new="                pass\n",
            ),
        ),
        checks=("tests/api/test_rate_limits.py::test_wrong_keys_are_throttled_and_right_ones_are_not",),
    ),
    Mutant(
        name="forwarded-for-believed",
        promise="security",
        bug="anybody names the address that limits count by",
        edits=(
            Edit(
                file="api/client_address.py",
                old="    while _is_trusted(here, proxies) and hops:\n",
                new="    while hops:\n",
            ),
        ),
        checks=(
            "tests/api/test_client_address.py::test_header_of_anybody_else_is_not_believed",
            "tests/api/test_rate_limits.py::test_limits_see_through_a_trusted_proxy_only",
        ),
    ),
    Mutant(
        name="live-key-over-http",
        promise="security",
        bug="a live key is sent without encryption",
        edits=(
            Edit(
                file="providers/stripe/config.py",
                old='        require_https("STRIPE_API_BASE", config.api_base, config.livemode)\n',
                new="",
            ),
        ),
        checks=("tests/providers/test_live_mode.py::test_live_key_is_never_sent_over_plain_http",),
    ),
    Mutant(
        name="scrubber-off",
        promise="security",
        bug="log lines are written as they come",
        edits=(
            Edit(
                file="observability/logging.py",
                old="return {**scrub_value(dict(line)), **kept}",
                new="return {**dict(line), **kept}",
            ),
        ),
        checks=(
            "tests/observability/test_logging.py::test_library_logs_have_the_same_format_and_are_scrubbed",
            "tests/observability/test_logging.py::test_tracebacks_are_scrubbed_and_on_one_line",
        ),
    ),
    Mutant(
        name="card-numbers-kept",
        promise="security",
        bug="card numbers stay in texts",
        edits=(
            Edit(
                file=REDACTION,
                old="    if cards:\n        yield from find_card_numbers(text)\n",
                new="    if cards and not cards:\n        yield from find_card_numbers(text)\n",
            ),
        ),
        checks=("tests/observability/test_scrubbing.py::test_secrets_are_removed_from_any_text",),
    ),
    Mutant(
        name="reasons-unredacted",
        promise="security",
        bug="an operator's reason is written as it was typed",
        edits=(
            Edit(
                file="core/operators.py",
                old='    reason: FreeText = ""\n    decision',
                new='    reason: str = ""\n    decision',
            ),
        ),
        checks=("tests/api/test_operations.py::test_a_reason_is_redacted_before_it_is_submitted_or_stored",),
    ),
    Mutant(
        name="slow-pattern",
        promise="security",
        bug="a pattern takes quadratic time on outside text",
        edits=(
            Edit(
                file=REDACTION,
                old=r"[\w.%+'!#$*^{|}~-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}",
                new=r"[\w.%+'!#$*^{|}~-]+@[\w-]+(?:\.[\w-]+)+",
            ),
        ),
        checks=("tests/security/test_patterns.py::test_pattern_takes_linear_time",),
    ),
    Mutant(
        name="erased-body-stored-again",
        promise="security",
        bug="a later webhook of an erased customer is stored with its body",
        edits=(
            Edit(
                file="db/repositories/new_webhooks.py",
                old="CASE WHEN erased THEN CAST('' AS bytea) ELSE body END",
                new="body",
            ),
        ),
        checks=("tests/db/test_inbox.py::test_later_webhook_of_an_erased_customer_is_stored_without_its_body",),
    ),
    Mutant(
        name="erasure-leaves-the-batch",
        promise="security",
        bug="erasing leaves the copies of a batch that name the customer",
        edits=(
            Edit(
                file="db/repositories/inbox.py",
                old="    mine = tuple_(*request).in_(select(*request).where(named))\n",
                new="    mine = named\n",
            ),
        ),
        checks=("tests/db/test_inbox.py::test_body_of_a_batch_is_blanked_for_each_of_its_events",),
    ),
)
