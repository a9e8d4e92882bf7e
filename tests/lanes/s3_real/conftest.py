"""What the tests of this lane get: a container of Azure's emulator, and contracts whose asserts explain themselves."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("contract.test_places")

from azure_buckets import azure_lake, azure_service  # noqa: E402, F401  # pytest finds fixtures by their names here
