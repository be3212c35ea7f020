"""Progress of long work: a line on the standard error stream, after some seconds."""

import sys
import time

# Seconds of silence: what takes less says nothing.
PATIENCE, PAUSE = 5.0, 10.0


class Progress:
    """Says now and then how much of a long piece of work is done.

    Parameters
    ----------
    what : str
        What is counted, such as "evaluations".
    wanted : bool
        Whether to say anything at all.
    """

    def __init__(self, what, *, wanted=True):
        self.what, self.wanted = what, wanted
        self.done, self.start = 0, time.monotonic()
        self.next = self.start + PATIENCE

    def expect(self, seconds, why):
        """Say before the work how long it may take, if that is long."""
        if self.wanted and seconds > PATIENCE:
            self._say(f"This may take about {_in_words(seconds)}: {why}.")

    def advance(self, count):
        """Count so much more as done."""
        self.done += count
        now = time.monotonic()
        if self.wanted and now > self.next:
            self.next = now + PAUSE
            taken = _in_words(now - self.start)
            self._say(f"{self.done:,} {self.what} in {taken} …")

    @staticmethod
    def _say(text):
        print(text, file=sys.stderr, flush=True)


def _in_words(seconds):
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} minutes"
