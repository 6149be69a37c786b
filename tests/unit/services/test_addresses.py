"""Variables in URLs, and what is refused before anything runs."""

import pytest

import octavo as ov
from octavo.errors import ResourceError
from octavo.services.addresses import check, expanded

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # Apprise imports it


@pytest.mark.parametrize(
    ("url", "value", "whole"),
    [
        ("mailto://me:${A}@host", "p@ss/w:rd", "mailto://me:p%40ss%2Fw%3Ard@host"),
        ("json://${A}/path", "host:80", "json://host:80/path"),
        ("slack://${A}", "T1/B2/C3", "slack://T1/B2/C3"),
        ("json://host/?token=${A}&x=1", "a&b", "json://host/?token=a%26b&x=1"),
        ("${A}", "json://me:word@host", "json://me:word@host"),
        ("json://me:$A@host", "x", "json://me:$A@host"),
    ],
)
def test_a_value_stands_where_its_variable_stood(url, value, whole):
    assert expanded(url, {"A": value}, "") == whole


def test_a_variable_that_is_missing_is_named_and_no_other_one_is_shown():
    notifies = [ov.Notify("json://me:${HERE}@host"), ov.Notify("json://me:${AWAY}@host")]
    with pytest.raises(ResourceError) as raised:
        check(notifies, {"HERE": "secret"})
    assert str(raised.value) == (
        "Pipeline.notify[1]: the environment has no AWAY. Set AWAY, and run again."
    )
    check(notifies, {"HERE": "secret", "AWAY": "secret"})
