"""The fault suite: rounds of a steady stream with seeded faults, and a checker that trusts nothing of the product.

`make faults`, or `python -m tests.faults.rounds --help`. docs/reliability.md says what is checked and what isn't.
"""
