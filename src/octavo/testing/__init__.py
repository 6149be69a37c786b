"""Conformance suites, one for each port: what every implementation of it must pass.

They need pytest and hypothesis, which Octavo itself does not. Nothing in Octavo imports this
package.
"""

import pytest

pytest.register_assert_rewrite("octavo.testing.streams")
