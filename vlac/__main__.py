"""`python -m vlac`: the command line."""

import sys

from vlac.cli import main

sys.exit(main())
