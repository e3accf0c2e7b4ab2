"""bpstream's own worker as it is where no C compiler was when it was installed."""

from bpstream import compiled

compiled.LOOPS = None

from tests.bench.bpstream_worker import work  # noqa: E402 - what uses the loops looks once
from tests.bench.peer import answer  # noqa: E402

if __name__ == "__main__":
    answer(work)
