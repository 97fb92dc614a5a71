"""A classification in the few words that `pri explain` prints."""

from core.classifier.taxonomy import Classification


def summarize_classification(classification: Classification) -> dict[str, str]:
    """`category`, `cause`, `decided_by` and `next`: what it is, who says so, and what a recovery does about it."""
    return {
        "category": classification.category.value,
        "cause": classification.cause.value,
        "decided_by": classification.decided_by,
        "next": classification.cause.next_action.value,
    }
