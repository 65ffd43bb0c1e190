"""`python -m runner`: the same as the console script `kandinsky`."""

import sys

from runner.cli import main

sys.exit(main())
