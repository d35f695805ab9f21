"""What the tests of this package share: api_server.py is found beside them."""

from __future__ import annotations

import sys
from pathlib import Path

# Tests are imported by their paths, so nothing else puts this folder where imports look.
sys.path.insert(0, str(Path(__file__).parent))
