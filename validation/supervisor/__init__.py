"""The parent of a run: starts its processes, kills them as planned, sees them die, and says what is to be done.

It knows nothing of models or rows. Which failure leads to which roll-back it asks of the strategy's recovery, the
object that ``cprmodel`` plans with.
"""

from validation.supervisor.run import Supervisor
from validation.supervisor.state import RunError, host

__all__ = ["RunError", "Supervisor", "host"]
