"""Every provider under contract; a new one is a line here."""

from tests.providers.contract.adyen_subject import AdyenSubject
from tests.providers.contract.braintree_subject import BraintreeSubject
from tests.providers.contract.stripe_subject import StripeSubject
from tests.providers.contract.subject import Subject

STRIPE: Subject = StripeSubject()
ADYEN: Subject = AdyenSubject()
BRAINTREE: Subject = BraintreeSubject()

SUBJECTS = (STRIPE, ADYEN, BRAINTREE)
