"""The PostgreSQL broker keeps the contract."""

import pytest

from postroom.queues.conformance import Conformance


class TestPostgres(Conformance):
    @pytest.fixture
    def url(self, postgres_url: str) -> str:
        return postgres_url
