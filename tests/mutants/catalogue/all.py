"""Every mutant, in the order of the promises."""

from typing import Final

from tests.mutants.catalogue.charges import CHARGES
from tests.mutants.catalogue.intake import INTAKE
from tests.mutants.catalogue.log import LOG
from tests.mutants.catalogue.messages import MESSAGES
from tests.mutants.catalogue.networks import NETWORKS
from tests.mutants.catalogue.security import SECURITY
from tests.mutants.mutant import Mutant

MUTANTS: Final[tuple[Mutant, ...]] = tuple(
    sorted((*CHARGES, *INTAKE, *LOG, *NETWORKS, *MESSAGES, *SECURITY), key=lambda one: (one.promise, one.name))
)
