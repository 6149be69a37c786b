"""URLs of notifications: what may be shown of them."""

import pytest

from octavo.definition.notify import redacted


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("json://localhost", "json://localhost"),
        ("JSONS://user:secret@example.org:8443/secret?key=secret#secret", "jsons://example.org"),
        ("mailtos://me:secret@example.org?to=you@example.com", "mailtos://…"),
        ("mailtos://me:secret@example.org?to=you", "mailtos://example.org"),
        ("json://user:se/cret@host", "json://…"),
        ("json://user:se?cret@host", "json://…"),
        ("json://user:se@cret@host", "json://…"),
        ("json://:secret", "json://…"),
        ("tgram://123456:secret/chat", "tgram://…"),
        ("discord://id/secret", "discord://…"),
        ("https://hooks.example.org/secret", "https://…"),
        ("mailto://me:${SMTP_PASSWORD}@example.org", "mailto://example.org"),
        ("json://${HOST}/", "json://…"),
        ("${TEAM}", "${TEAM}"),
    ],
)
def test_only_scheme_and_a_certain_host_are_shown(url, shown):
    assert redacted(url) == shown
