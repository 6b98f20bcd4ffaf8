"""Found by processes of a soak, and no others, on their search path."""

from validation.jumps import patch

patch()
