"""What is installed, as files for those who install it by hand."""

import json

from bpstream.kibana.ids import Ids
from bpstream.kibana.rules import connector, rules
from bpstream.kibana.saved import ndjson
from bpstream.kibana.views import saved_objects

SAVED_OBJECTS = "kibana.ndjson"
RULES = "kibana-rules.json"


def contents(alias: str) -> dict[str, str]:
    """The text of each file by its name, for the default space.

    The first is for Kibana's "Import saved objects".  The second has the connector and the
    rules, each with its id and the body of the request that makes it.
    """
    ids = Ids(alias)
    held = {"connector": connector(ids)._asdict(), "rules": [each._asdict() for each in rules(ids)]}
    return {
        SAVED_OBJECTS: ndjson(saved_objects(ids)),
        RULES: json.dumps(held, indent=2, ensure_ascii=False) + "\n",
    }
