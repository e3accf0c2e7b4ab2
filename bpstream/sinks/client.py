"""elasticsearch-py, without what it takes in wherever it is installed.

No document holds a data frame or an Arrow scalar, and they would cost a worker 25 MB.  Spans of
its own would tell what it sends, and it needs no second HTTP client.
"""

import sys

_UNWANTED = ("pyarrow", "pandas", "opentelemetry", "requests")
_absent = [name for name in _UNWANTED if name not in sys.modules]
sys.modules.update(dict.fromkeys(_absent))  # type: ignore[arg-type]  # None: an import fails
try:
    from elastic_transport import TlsError, TransportError
    from elasticsearch import ApiError, AsyncElasticsearch, NotFoundError, UnsupportedProductError
    from elasticsearch.serializer import (
        CompatibilityModeJsonSerializer,
        CompatibilityModeNdjsonSerializer,
    )
finally:
    for _name in _absent:
        del sys.modules[_name]

__all__ = [
    "ApiError",
    "AsyncElasticsearch",
    "CompatibilityModeJsonSerializer",
    "CompatibilityModeNdjsonSerializer",
    "NotFoundError",
    "TlsError",
    "TransportError",
    "UnsupportedProductError",
]
