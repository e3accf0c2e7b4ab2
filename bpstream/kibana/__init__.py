"""Kibana: the views and rules bpstream has for it, made by code, and their installation.

`views` and `rules` say what there is, in the words of `saved`, `lens` and `columns`;
`client` and `connection` speak to a Kibana, and `install` makes it hold what belongs there.
"""
