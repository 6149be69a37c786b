"""Events in words that whoever they are sent to takes."""

import octavo as ov
from octavo.services.messages import LONGEST, composed


def event(**given):
    plain = {"kind": "run failed", "subject": "prep", "severity": "error", "run_id": None, "at": 0}
    return plain | {"actor": "jane", "document": {}} | given


def test_a_title_is_one_line_that_a_mail_server_takes():
    rule = ov.Notify("json://host", title="{text}")
    long = event(document={"error": "the disk\nis full " * 100})
    title = composed(rule, "shop", [long]).title
    assert title.startswith("run failed: prep — the disk is full")
    assert len(title) == LONGEST


def test_a_message_is_never_without_a_body():
    rule = ov.Notify("json://host", body="{detail}")
    assert composed(rule, "shop", [event()]).body == "run failed: prep"
    assert composed(rule, "shop", [event(document={"error": "full"})]).body == "full"
