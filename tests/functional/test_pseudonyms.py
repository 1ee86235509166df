"""Addresses in the audit log: hashes with a key of the year, which can be destroyed while the log stays complete."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from oms.audit import audit_log as audit
from oms.audit import macs
from oms.commands import forget_address_keys, stacks
from oms.core import clock, pseudonyms
from oms.core.dynamodb import client
from oms.core.pseudonyms import pseudonym
from oms.core.secret_store import Reloaded, secrets_client
from tests.support.aws_calls import recorded
from tests.support.gateway import call
from tests.support.invocation import Person

AT = "2026-03-01T12:00:00.000Z"
SECRET = "oms/prod/address-keys"


@pytest.fixture
def secret(cloud: None, monkeypatch: pytest.MonkeyPatch) -> str:
    """A secret with the keys of 2024 to 2026, as a stage has them."""
    value = json.dumps({year: year * 16 for year in ("2024", "2025", "2026")})
    try:
        secrets_client().create_secret(Name=SECRET, SecretString=value)
    except secrets_client().exceptions.ResourceExistsException:
        secrets_client().put_secret_value(SecretId=SECRET, SecretString=value)
    monkeypatch.setattr(pseudonyms, "KEYS", Reloaded(lambda: pseudonyms.load_keys(SECRET)))
    return SECRET


@pytest.fixture
def in_2026(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: clock.instant(AT))


def test_one_address_has_one_hash_in_a_year_and_another_in_the_next(secret: str) -> None:
    shown = pseudonym("address", "203.0.113.9", AT)

    assert shown == pseudonym("address", "203.0.113.9", "2026-12-31T23:59:59.999Z")
    assert shown is not None
    assert shown.startswith("2026:")
    assert len(shown) == len("2026:") + 32
    others = [
        pseudonym("address", "203.0.113.9", "2025-12-31T23:59:59.999Z"),
        pseudonym("address", "203.0.113.8", AT),
        pseudonym("e-mail", "203.0.113.9", AT),
    ]
    assert len({shown, *others}) == 4


def test_without_a_key_of_the_year_an_entry_has_no_address(
    secret: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(clock, "now", lambda: clock.instant("2031-01-01T00:00:00.000Z"))

    entry = audit.entry("login", actor_id="ada", address="203.0.113.9", target=None)

    assert entry.address is None
    assert "run `make keys`" in caplog.text


def test_a_warm_process_reads_no_key_again(person: Callable[..., Person]) -> None:
    customer = person()
    call("GET", "/api/v1/webhooks", token=customer.token)

    with recorded() as calls:
        assert call("GET", "/api/v1/webhooks", token=customer.token).status == 403

    assert {name.partition(".")[0] for name in calls} == {"dynamodb"}


def test_keys_are_made_for_ten_years_more_once(secret: str, in_2026: None) -> None:
    noted: list[tuple[str, str]] = []

    first = pseudonyms.ensure_keys(secret_name=secret, record=lambda *it: noted.append(it))
    second = pseudonyms.ensure_keys(secret_name=secret, record=lambda *it: noted.append(it))

    assert (first, second) == ([str(year) for year in range(2027, 2037)], [])
    assert noted == [("address-keys.created", "2027-2036")]
    keys = pseudonyms.load_keys(secret)
    assert keys["2026"] == "2026" * 16, "one that is in use stays"
    assert len(set(keys.values())) == 13
    assert all(len(keys[year]) == 64 for year in first)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr("sys.argv", ["forget", "--stage", "prod", *arguments])
    monkeypatch.setattr(forget_address_keys, "operator", lambda: "arn:aws:iam::123456789012:user/ops")
    monkeypatch.setattr(stacks, "table_of", lambda _stage, _domain: "audit")
    forget_address_keys.main()


def items() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client().scan(TableName="audit")["Items"]
    return found


def test_the_command_destroys_a_past_year_alone_and_audits_it(
    secret: str, in_2026: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    audit.record(audit.entry("login", actor_id="ada", address="203.0.113.9", target=None))
    before = [macs.digest(it) for it in items()]

    run(monkeypatch, "--year", "2025", "--confirm", "2025")
    run(monkeypatch, "--year", "2025", "--confirm", "2025")

    assert capsys.readouterr().out.splitlines() == ["2025: the key is destroyed", "2025: there is no key"]
    assert list(pseudonyms.load_keys(secret)) == ["2024", "2026"]
    written = {it["action"]["S"]: it for it in items()}
    assert written.keys() == {"login", "address-key.destroyed"}
    assert written["address-key.destroyed"]["target"]["S"] == "2025"
    assert macs.digest(written["login"]) in before, "the sealed entry is unchanged"
    labelled = [
        secrets_client().get_secret_value(SecretId=secret, VersionId=it["VersionId"])["SecretString"]
        for it in secrets_client().list_secret_version_ids(SecretId=secret)["Versions"]
        if it.get("VersionStages")
    ]
    assert len(labelled) == 2
    assert not [value for value in labelled if "2025" in value], "nor is it in the previous version"


@pytest.mark.parametrize("year", ["2026", "2027", "last", "-1"])
def test_a_key_in_use_is_not_destroyed(secret: str, in_2026: None, monkeypatch: pytest.MonkeyPatch, year: str) -> None:
    with pytest.raises(SystemExit, match="is not a past year"):
        run(monkeypatch, f"--year={year}", f"--confirm={year}")

    assert list(pseudonyms.load_keys(secret)) == ["2024", "2025", "2026"]
    assert items() == []


def test_without_the_confirmation_nothing_is_destroyed(
    secret: str, in_2026: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit, match="Nothing was destroyed"):
        run(monkeypatch, "--year", "2025", "--confirm", "yes")

    assert "2025" in pseudonyms.load_keys(secret)
