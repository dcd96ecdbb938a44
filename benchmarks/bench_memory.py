"""How much memory one very long transcript takes."""

from benchmarks import corpus, instance
from benchmarks.measures import Measure, peak_mb, timed

MEGABYTES = {"smoke": 6.0, "full": 100.0}


def run(size: str) -> list[Measure]:
    """Peak memory of the largest process that stores and processes one transcript."""
    root = corpus.long_session(MEGABYTES[size])
    megabytes = corpus.bytes_of(root) / 1e6
    instance.start()
    idle = peak_mb()
    with timed() as clock:
        instance.import_folder(root)
    if instance.mirrored("SELECT count(*) FROM usage_session_summary") != 1:
        raise AssertionError("the transcript was not processed: the run measured nothing")
    name = f"memory, one transcript of {megabytes:.0f} MB"
    floors = {"before any transcript": idle}
    return [
        Measure(name, peak_mb(), "MB", "less", 400, floors),
        Measure("its speed end to end", megabytes / clock.seconds, "MB/s", "more"),
    ]
