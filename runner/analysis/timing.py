"""Whether seconds tell how long a picture takes: only those that were measured together do."""

from __future__ import annotations

from collections.abc import Sequence

from runner.recording.manifest import INSTANT, SavedImage
from runner.system.text import pluralize

NOT_MEASURED = "not measured"
TO_MEASURE = "bench=true measures them"


def why_unmeasured(images: Sequence[SavedImage]) -> str | None:
    """Why the seconds of these images cannot be compared; None where they can.

    They can where each image was made with `bench=true`, or where one attempt ran all stages of
    all of them, one after the other. Seconds from the store, or from beside other work, are those
    of another load.
    """
    images = [image for image in images if image.took]
    plain = [image for image in images if not image.repeats]
    if not plain:
        return None
    count = f"of {pluralize(len(images), 'picture')}"
    timings = [image.timing for image in plain if image.timing is not None]
    if unknown := len(plain) - len(timings):
        return f"the records of {unknown} {count} do not say what else ran, as older ones do not"
    if stored := sum(1 for timing in timings if set(timing.stored) - INSTANT):
        return f"stages of {stored} {count} were taken from the store"
    if (workers := max(timing.workers for timing in timings)) > 1:
        return f"stages ran beside each other, in {workers} workers"
    attempts = {image.timing.attempt for image in images if image.timing is not None}
    if len(attempts) > 1:
        return f"the pictures were made in {len(attempts)} attempts"
    if all(image.seconds_measured is None for image in images):
        return "every picture has a stage that was its pipeline's first call, which warms up"
    return None
