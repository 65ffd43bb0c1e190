"""A converter that is killed while it writes (`runner.catalog.checkpoint.Original`)."""

import os
import signal
import sys
from pathlib import Path

(Path(sys.argv[2]).parent / ".new.part" / "unet").mkdir(parents=True)
os.kill(os.getpid(), signal.SIGKILL)
