"""KQL is read as Kibana reads it."""

import pytest

from tests.kibana.kuery import fields_of, to_query

A = {"range": {"a": {"gt": "1"}}}
B = {"exists": {"field": "b"}}
C = {"match_phrase": {"c.keyword": "x y"}}


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("", {"match_all": {}}),
        ("a > 1", A),
        ("a<=1.5", {"range": {"a": {"lte": "1.5"}}}),
        ("b : *", B),
        ('c.keyword : "x y"', C),
        ("a > 1 and b : *", {"bool": {"filter": [A, B]}}),
        (
            'a > 1 or b : * and c.keyword:"x y"',
            {
                "bool": {
                    "should": [A, {"bool": {"filter": [B, C]}}],
                    "minimum_should_match": 1,
                }
            },
        ),
        (
            '(a > 1 or b : *) and not c.keyword : "x y"',
            {
                "bool": {
                    "filter": [
                        {"bool": {"should": [A, B], "minimum_should_match": 1}},
                        {"bool": {"must_not": [C]}},
                    ]
                }
            },
        ),
        (
            'd : ("x" or "y")',
            {
                "bool": {
                    "should": [{"match_phrase": {"d": "x"}}, {"match_phrase": {"d": "y"}}],
                    "minimum_should_match": 1,
                }
            },
        ),
    ],
)
def test_a_query_is_what_it_says(text, query):
    assert to_query(text) == query


@pytest.mark.parametrize(
    "text", ["a", "a >", "a : x", "a > 1 b : *", "(a > 1", "a = 1", "not", 'a : ("x" and "y")']
)
def test_what_is_not_understood_is_an_error(text):
    with pytest.raises(ValueError, match=r"\w"):
        to_query(text)


def test_the_fields_of_a_query_are_all_those_it_names():
    text = '(a > 1 or b : *) and not c.keyword : "x" and d : ("x" or "y")'
    assert fields_of(to_query(text)) == {"a", "b", "c.keyword", "d"}
