"""The runner's own converter, for published files of the tests' size."""

from __future__ import annotations

import sys

from kandinsky2_0.published import SIZES
from runner.kandinsky2_0.conversion.__main__ import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], SIZES))
