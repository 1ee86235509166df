"""The links in mails lead to the system that sent them, also on another port than the default one."""

from typing import Any

import pytest

from local.system import LocalSystem


class Deployed(LocalSystem):
    """A system whose notifier writes links to `url`."""

    def __init__(self, port: int, url: str) -> None:
        super().__init__(port=port)
        self.urls = {"Notifier": url}

    def functions(self) -> dict[str, dict[str, Any]]:
        notifier = {"Environment": {"Variables": {"OMS_PUBLIC_URL": self.urls["Notifier"]}}}
        return {"Notifier": notifier, "Orders": {"Environment": {"Variables": {}}}, "Docs": {}}

    def update_environment(self, function: str, **values: str | None) -> None:
        self.urls[function] = str(values["OMS_PUBLIC_URL"])


@pytest.mark.parametrize(
    ("port", "url", "leads_to"),
    [
        (5001, "http://localhost:5000", "http://localhost:5001"),
        (5000, "http://localhost:5000", "http://localhost:5000"),
        (0, "http://localhost:5000", "http://localhost:5000"),
        (5001, "http://localhost:3000", "http://localhost:3000"),
    ],
    ids=["another port", "the default port", "of tests", "a shop front of the developer's"],
)
def test_links_lead_to_the_port_unless_they_lead_elsewhere_on_purpose(port: int, url: str, leads_to: str) -> None:
    system = Deployed(port, url)

    system.lead_links_here()

    assert system.urls == {"Notifier": leads_to}
