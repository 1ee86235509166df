"""Mail in the template: its causes, permissions, and limits of SES."""

from typing import Any

import pytest

from oms.exports import events as exports
from oms.identity import events as identity
from oms.mail import notifications, service
from tests.support.arns import written_out
from tests.support.template import QUEUE, Synthesized, all_mappings

QUEUES = ("EventsMail", "EventsMailRequests")


def mapping_of(prod: Synthesized, queue: str) -> dict[str, Any]:
    """Returns the notifier's event source mapping of a queue."""
    (mapping,) = (
        it
        for name, it in all_mappings(prod)
        if name == "Notifier" and it["EventSourceArn"]["Fn::GetAtt"][0][:-8] == queue
    )
    return mapping


def test_the_notifier_gets_every_event_that_it_mails_and_no_other(prod: Synthesized) -> None:
    pattern = prod.one("AWS::Events::Rule", "EventsMailRule")["EventPattern"]

    assert pattern["source"] == ["oms", "oms.internal"]
    assert set(pattern["detail-type"]) == notifications._BY_EVENT_TYPE.keys() | {
        exports.MAIL_TRIGGER,
        identity.PASSWORD_MAIL,
        identity.EMAIL_CHANGE_MAIL,
    }


def test_a_reset_mail_does_not_wait_behind_the_mails_of_orders(prod: Synthesized) -> None:
    rule = prod.one("AWS::Events::Rule", "EventsMailRequestsRule")

    assert rule["EventPattern"] == {"source": ["oms.internal"], "detail-type": ["mail.requested"]}
    assert rule["Targets"][0]["Arn"]["Fn::GetAtt"][0][:-8] == "EventsMailRequests"


@pytest.mark.parametrize("name", QUEUES)
def test_a_mail_is_tried_for_an_hour_each_time_in_its_own_time(prod: Synthesized, name: str) -> None:
    mapping, queue = mapping_of(prod, name), prod.one(QUEUE, name)

    assert (mapping["BatchSize"], mapping["ScalingConfig"]) == (1, {"MaximumConcurrency": 2})
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert queue["VisibilityTimeout"] * queue["RedrivePolicy"]["maxReceiveCount"] == 3600


def test_one_mail_takes_less_time_than_its_function_has(prod: Synthesized) -> None:
    """Reads and claim end within 19 s, SES times out after 12, and the result is marked within 12."""
    config = service.ses_client().meta.config

    assert (config.connect_timeout + config.read_timeout, config.retries["total_max_attempts"]) == (12, 1)
    assert prod.functions()["Notifier"]["Timeout"] > 19 + 12 + service._MARK_SECONDS + 6
    assert prod.functions()["Notifier"]["Timeout"] <= service.CLAIM_LEASE_SECONDS, "no worker has a claim that is older"


def test_bounces_and_complaints_suppress(prod: Synthesized) -> None:
    ((name, properties),) = prod.all("AWS::SES::ConfigurationSet").items()

    assert properties["SuppressionOptions"] == {"SuppressedReasons": ["BOUNCE", "COMPLAINT"]}
    assert properties["Name"] == "oms-prod"
    assert prod.functions()["Notifier"]["Environment"]["Variables"]["OMS_MAIL_CONFIGURATION_SET"] == {"Ref": name}


def test_a_stage_without_mail_needs_no_ses_as_some_regions_have_none(local: Synthesized) -> None:
    assert not [it for it in local.template["Resources"].values() if it["Type"].startswith("AWS::SES::")]
    assert "OMS_MAIL_CONFIGURATION_SET" not in local.functions()["Notifier"]["Environment"]["Variables"]


def send_statement(synthesized: Synthesized) -> dict[str, Any]:
    (statement,) = [
        statement
        for policy in synthesized.all("AWS::IAM::Policy").values()
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Action"] == "ses:SendEmail"
    ]
    return dict(statement)


def test_dev_may_mail_to_recipients_that_the_sandbox_of_ses_knows(prod: Synthesized, dev: Synthesized) -> None:
    """In the sandbox SES requires a permission for the recipient's identity too. The sender stays the stage's own."""
    statement = send_statement(dev)

    assert statement["Condition"] == {"StringEquals": {"ses:FromAddress": "shop@mail.shop.example"}}
    assert {written_out(it).split(":", 5)[-1] for it in statement["Resource"]} == {
        "identity/*",
        "configuration-set/oms-dev",
    }
    assert "identity/*" not in str(send_statement(prod)["Resource"])


def test_the_notifier_sends_from_the_stages_address_alone(prod: Synthesized, local: Synthesized) -> None:
    statement = send_statement(prod)
    environment = prod.functions()["Notifier"]["Environment"]["Variables"]

    assert statement["Condition"] == {"StringEquals": {"ses:FromAddress": "shop@mail.shop.example"}}
    assert environment["OMS_MAIL_FROM"] == "shop@mail.shop.example"
    assert environment["OMS_PUBLIC_URL"] == "https://shop.example"
    assert environment["OMS_UNVERIFIED_MAILS_PER_DAY"] == "2000"
    assert local.functions()["Notifier"]["Environment"]["Variables"]["OMS_MAIL_FROM"] == ""
    assert "ses:" not in str(local.all("AWS::IAM::Policy"))
