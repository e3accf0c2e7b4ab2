"""bpstream with everything on: Elasticsearch, and the archive in layout `files`."""

from functools import partial

from tests.bench.bpstream_worker import work
from tests.bench.peer import answer

if __name__ == "__main__":
    answer(partial(work, layout="files"))
