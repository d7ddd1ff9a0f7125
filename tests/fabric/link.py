"""How fast the fabric's links are, and what is promised of them, in Mbit/s.

Tests ask whether promises are kept, not how fast this machine is: their links are so slow that all of a scenario's traffic is
an easy load for two processors. Who measures or shows something sets SLUICE_LINK_MBIT to what networks have.
"""

import os

LINK = int(os.environ.get("SLUICE_LINK_MBIT", 250))
HEADROOM = 0.03  # of a link, which Gatekeeper does not give away
CAPACITY = (1 - HEADROOM) * LINK
GUARANTEE = LINK // 2
MAX = LINK // 5
