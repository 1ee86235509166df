"""The synthesized templates that the tests read: prod with every setting, and local."""

import pytest

from tests.support.template import DEV_SETTINGS, FULL_SETTINGS, Synthesized, synthesize


@pytest.fixture(scope="session")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Synthesized:
    return synthesize(tmp_path_factory.mktemp("prod"), "prod", FULL_SETTINGS)


@pytest.fixture(scope="session")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Synthesized:
    return synthesize(tmp_path_factory.mktemp("dev"), "dev", DEV_SETTINGS)


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Synthesized:
    settings: dict[str, object] = {
        "clock_offset": 60,
        "login_limit": 9,
        "settle_seconds": 5,
        "webhook_private_targets": True,
    }
    return synthesize(tmp_path_factory.mktemp("local"), "local", settings)
