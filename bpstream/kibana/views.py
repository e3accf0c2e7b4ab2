"""Everything bpstream saves in Kibana, the referred-to before what refers to it."""

from bpstream.kibana import originals, ward
from bpstream.kibana.ids import Ids
from bpstream.kibana.saved import SavedObject, dashboard, data_view, saved_search


def saved_objects(ids: Ids) -> list[SavedObject]:
    """The data view, the searches and the dashboards, on the documents behind the alias."""
    view = ids.of("data view")
    searches = {each.title: ids.of(f"search {each.title}") for each in originals.SEARCHES}
    return [
        data_view(view, alias=ids.alias, name=f"Blood pressure ({ids.alias})"),
        *(saved_search(searches[each.title], each, view=view) for each in originals.SEARCHES),
        dashboard(
            ids.of("dashboard originals"),
            originals.TITLE,
            originals.DESCRIPTION,
            originals.rows(),
            view=view,
            searches=searches,
        ),
        dashboard(
            ids.of("dashboard ward"),
            ward.TITLE,
            ward.DESCRIPTION,
            ward.rows(ids.alias),
            view=view,
            searches=searches,
        ),
    ]
