"""Plain Faust with its counts in a Table, so that a crash does not lose them: as bpstream's."""

from functools import partial

from tests.bench.peer import answer
from tests.bench.plain_faust import work

if __name__ == "__main__":
    answer(partial(work, table=True))
