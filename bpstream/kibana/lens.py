"""Lens charts: one layer of columns, and how they are drawn."""

from dataclasses import dataclass
from typing import Any

from bpstream.kibana.columns import Column, kuery
from bpstream.kibana.ids import within

_LAYER = "indexpattern-datasource-layer-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart before it has a place: `columns` by id, the grouping ones first."""

    visualization: str
    """lnsXY, lnsPie, lnsDatatable or lnsMetric."""
    columns: dict[str, Column]
    drawn: dict[str, Any]
    """The state of the visualization, but for the layer's id."""
    layered: dict[str, Any]
    """That of its layer, where it has layers."""
    query: str = ""
    """In KQL: which documents it is about."""

    def attributes(self, title: str, description: str, data_view: str) -> dict[str, Any]:
        """The chart as a panel holds it, about the documents of `data_view`."""
        layer = within(title, "layer")
        one_layer = {"layerId": layer, "layerType": "data", **self.layered}
        drawn = {**self.drawn, "layers": [one_layer]} if self.layered else one_layer | self.drawn
        return {
            "title": title,
            "description": description,
            "type": "lens",
            "visualizationType": self.visualization,
            "references": [{"type": "index-pattern", "id": data_view, "name": _LAYER + layer}],
            "state": {
                "visualization": drawn,
                "query": kuery(self.query),
                "filters": [],
                "datasourceStates": {
                    "formBased": {
                        "layers": {
                            layer: {
                                "columns": self.columns,
                                "columnOrder": list(self.columns),
                                "incompleteColumns": {},
                                "sampling": 1,
                            }
                        }
                    },
                    "indexpattern": {"layers": {}},
                    "textBased": {"layers": {}},
                },
                "internalReferences": [],
                "adHocDataViews": {},
            },
        }


def bars(columns: dict[str, Column], *, query: str = "", stacked: bool = False) -> Chart:
    """Vertical bars: the first column along, a second grouping one by colour."""
    return _xy("bar_stacked" if stacked else "bar", columns, query)


def lines(columns: dict[str, Column], *, query: str = "") -> Chart:
    """Lines: the first column along, a second grouping one by colour."""
    return _xy("line", columns, query)


def areas(columns: dict[str, Column], *, query: str = "") -> Chart:
    """Stacked areas: the first column along, a second grouping one by colour."""
    return _xy("area_stacked", columns, query)


def pie(columns: dict[str, Column], *, query: str = "") -> Chart:
    """A slice for each group."""
    groups, metrics = _split(columns)
    layered = {
        "primaryGroups": groups,
        "metrics": metrics,
        "numberDisplay": "percent",
        "categoryDisplay": "default",
        "legendDisplay": "show",
        "nestedLegend": False,
    }
    return Chart(
        visualization="lnsPie",
        columns=columns,
        drawn={"shape": "pie"},
        layered=layered,
        query=query,
    )


def table(columns: dict[str, Column], *, query: str = "") -> Chart:
    """A row for each group."""
    drawn = {"columns": [{"columnId": each, "isTransposed": False} for each in columns]}
    return Chart(
        visualization="lnsDatatable", columns=columns, drawn=drawn, layered={}, query=query
    )


def metric(column: Column, *, query: str = "") -> Chart:
    """One number, large."""
    return Chart(
        visualization="lnsMetric",
        columns={"value": column},
        drawn={"metricAccessor": "value"},
        layered={},
        query=query,
    )


def _xy(series: str, columns: dict[str, Column], query: str) -> Chart:
    groups, metrics = _split(columns)
    split = {"splitAccessor": groups[1]} if len(groups) > 1 else {}
    layered = {
        "seriesType": series,
        "xAccessor": groups[0],
        **split,
        "accessors": metrics,
        "position": "top",
        "showGridlines": False,
    }
    everywhere = {"x": True, "yLeft": True, "yRight": True}
    drawn = {
        "legend": {"isVisible": True, "position": "right"},
        "valueLabels": "hide",
        "fittingFunction": "None",
        "preferredSeriesType": series,
        "axisTitlesVisibilitySettings": everywhere,
        "tickLabelsVisibilitySettings": everywhere,
        "gridlinesVisibilitySettings": everywhere,
        "labelsOrientation": {"x": 0, "yLeft": 0, "yRight": 0},
    }
    return Chart(visualization="lnsXY", columns=columns, drawn=drawn, layered=layered, query=query)


def _split(columns: dict[str, Column]) -> tuple[list[str], list[str]]:
    """The ids of the grouping columns, and of the measuring ones."""
    groups = [name for name, column in columns.items() if column["isBucketed"]]
    return groups, [name for name in columns if name not in groups]
