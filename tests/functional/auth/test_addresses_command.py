"""`make addresses`: converts the addresses of accounts from before addresses had one form, or releases them."""

import unicodedata
from collections.abc import Callable
from typing import Any

import pytest

from oms.commands import normalize_addresses as addresses
from oms.commands import stacks
from oms.commands.normalize_addresses import ReleaseRefusedError, apply, find, release
from oms.core.dynamodb import client, get_item
from oms.identity.models import IdentityItem, User, user_key
from tests.support.accounts import PASSWORD, audit_entries, log_in
from tests.support.gateway import call

ARN = "arn:aws:iam::123456789012:user/olga"
pytestmark = pytest.mark.usefixtures("cloud")


@pytest.fixture
def former(account: Callable[..., User]) -> Callable[..., User]:
    """A factory of accounts in the form of the previous version: the address as typed, its claim folded."""

    def make(email: str, **attributes: Any) -> User:
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", email).casefold())
        return account(email, email_folded=folded, **attributes)

    return make


def claims() -> set[str]:
    items = client().scan(TableName="identity")["Items"]
    return {it["pk"]["S"].removeprefix("email#") for it in items if it["kind"]["S"] == "claim"}


def stored(user: User) -> User:
    found = get_item(IdentityItem, user_key(user.id))
    assert isinstance(found, User)
    return found


def apply_all() -> list[bool]:
    return [apply(found, operator_arn=ARN) for found in find()]


def audited() -> list[tuple[str, str | None, str | None]]:
    return sorted((it.action, it.actor_id, it.target) for it in audit_entries() if it.action.startswith("email."))


def test_addresses_in_ascii_are_as_they_were(account: Callable[..., User], former: Callable[..., User]) -> None:
    account("ada@example.org")
    former("Bob@Example.ORG")
    former("carol@exam_ple.org")  # refused in the meantime, and mail still reaches it

    assert list(find()) == []
    for email in ("ada@example.org", "bob@example.org", "carol@exam_ple.org"):
        assert log_in(email).status == 200, email


def test_an_international_address_moves_to_its_key_in_two_runs(former: Callable[..., User]) -> None:
    user = former("Post@Bücher.example", email_verified=True)
    a_label = "post@xn--bcher-kva.example"
    assert log_in("post@bücher.example").status == 401

    assert apply_all() == [True]
    assert claims() == {"post@bücher.example", a_label}, "old and new code both find it"
    assert log_in("post@bücher.example").status == 200

    assert apply_all() == [True]
    assert claims() == {a_label}
    moved = stored(user)
    assert (moved.email, moved.email_folded) == ("Post@xn--bcher-kva.example", a_label)
    assert (moved.email_verified, moved.status, moved.version) == (True, "active", 2)
    assert log_in("post@bücher.example").status == 200

    assert apply_all() == []
    target = f"user#{user.id}"
    assert audited() == [("email.claimed", ARN, target), ("email.moved", ARN, target)]


def test_an_address_whose_mail_went_to_another_domain_is_no_longer_verified(former: Callable[..., User]) -> None:
    user = former("kontakt@straße.example", email_verified=True)
    assert claims() == {"kontakt@strasse.example"}

    assert (apply_all(), apply_all()) == ([True], [True])

    assert claims() == {"kontakt@xn--strae-oqa.example"}, "its owner can register kontakt@strasse.example"
    assert not stored(user).email_verified


LOOK_ALIKE = "\u212aim@shop.example"


def test_a26_a_look_alike_is_released_and_its_victim_can_register(former: Callable[..., User]) -> None:
    user = former(LOOK_ALIKE)
    token = log_in("kim@shop.example").json["access_token"]
    body = {"email": "kim@shop.example", "password": PASSWORD, "first_name": "Kim"}
    assert call("POST", "/api/v1/auth/register", body).status == 409
    (found,) = find()
    assert str(found).isascii()
    assert "\\u212aim@shop.example" in str(found)
    assert apply_all() == [False], "a person decides"

    release(user.id, operator_arn=ARN)

    assert stored(user).status == "disabled"
    assert call("GET", "/api/v1/auth/me", token=token).status == 401
    assert call("POST", "/api/v1/auth/register", body).status == 201
    assert list(find()) == []
    assert audited() == [("email.released", ARN, f"user#{user.id}")]


def test_of_two_accounts_with_one_mailbox_a_person_decides(
    account: Callable[..., User], former: Callable[..., User]
) -> None:
    old, new = former("post@bücher.example"), account("post@xn--bcher-kva.example")
    (found,) = find()
    assert (found.user.id, found.state, found.holder) == (old.id, "taken", new.id)
    assert new.id in str(found)
    assert apply_all() == [False]

    release(old.id, operator_arn=ARN)

    assert claims() == {"post@xn--bcher-kva.example"}
    assert stored(new).status == "active"


def test_only_listed_addresses_are_released_and_no_admin(
    account: Callable[..., User], former: Callable[..., User]
) -> None:
    with pytest.raises(ReleaseRefusedError, match="so it keeps its address"):
        release(account("ada@example.org").id, operator_arn=ARN)
    with pytest.raises(ReleaseRefusedError, match="is an active admin"):
        release(former(LOOK_ALIKE, role="admin").id, operator_arn=ARN)
    assert claims() == {"ada@example.org", "kim@shop.example"}


def test_the_command_lists_and_changes_nothing_by_default(
    former: Callable[..., User], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    user, lost = former("post@bücher.example"), former("ıda@example.org")
    monkeypatch.setattr(stacks, "table_of", lambda _stage, domain: domain.lower())
    monkeypatch.setattr(addresses, "operator", lambda: ARN)

    def run(*arguments: str) -> str:
        monkeypatch.setattr("sys.argv", ["addresses", "--stage", "dev", *arguments])
        addresses.main()
        return capsys.readouterr().out

    listed = run()
    assert f"user {user.id}  'post@b\\xfccher.example'  (customer, active, not verified)" in listed
    assert f"RELEASE={lost.id} frees" in listed
    assert claims() == {"post@bücher.example", "ıda@example.org"}

    assert run("--apply").count("    done\n") == 1
    assert "released and disabled" in run("--release", lost.id)
    assert claims() == {"post@bücher.example", "post@xn--bcher-kva.example"}
    with pytest.raises(SystemExit, match="is not listed"):
        run("--release", "nobody")
