"""Every provider under contract; a new one is a line here."""

from tests.providers.contract.of_adyen import AdyenSubject
from tests.providers.contract.of_braintree import BraintreeSubject
from tests.providers.contract.of_stripe import StripeSubject
from tests.providers.contract.subject import Subject

STRIPE: Subject = StripeSubject()
ADYEN: Subject = AdyenSubject()
BRAINTREE: Subject = BraintreeSubject()

SUBJECTS = (STRIPE, ADYEN, BRAINTREE)
