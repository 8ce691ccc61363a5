"""The backends, one module each. This tuple is the one list, and the check that each is one."""

from faultlab.backends.docker import Docker
from faultlab.backends.native import Native
from faultlab.backends.netns import Netns
from faultlab.backends.uml import Uml
from faultlab.testbed import Backend

BACKENDS: tuple[Backend, ...] = (Netns(), Uml(), Docker(), Native())
