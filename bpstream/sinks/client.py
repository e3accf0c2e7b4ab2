"""elasticsearch-py, without what its serializer takes in wherever it is installed.

No document holds a data frame or an Arrow scalar, and they would cost a worker 25 MB.
"""

import sys

_absent = [name for name in ("pyarrow", "pandas") if name not in sys.modules]
sys.modules.update(dict.fromkeys(_absent))  # type: ignore[arg-type]  # None: an import fails
try:
    from elasticsearch import ApiError, AsyncElasticsearch, NotFoundError, UnsupportedProductError
    from elasticsearch.serializer import CompatibilityModeNdjsonSerializer
finally:
    for _name in _absent:
        del sys.modules[_name]

__all__ = [
    "ApiError",
    "AsyncElasticsearch",
    "CompatibilityModeNdjsonSerializer",
    "NotFoundError",
    "UnsupportedProductError",
]
