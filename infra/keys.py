"""The secrets and the public keys. CDK cannot create EC key pairs, so `make keys` fills the secrets."""

import json

from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from infra.checks import acknowledge
from infra.retention import retention
from infra.stages import Stage

SIGNING_KEYS = "signing-keys"
PEPPER = "pepper"
ORIGIN = "origin"
WEBHOOK_KEYS = "webhook-keys"
AUDIT_KEYS = "audit-keys"
ADDRESS_KEYS = "address-keys"


class Keys(Construct):
    def __init__(self, scope: Construct, construct_id: str, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        self._stage = stage
        # CDK's generated secrets must have a generated value. This one, beside the empty list, is never used.
        self.signing = self._secret("SigningKeys", SIGNING_KEYS, template={"keys": []}, generate="unused")
        # By version: a new pepper gets the next number, and old peppers stay for the hashes that were made with them.
        self.pepper = self._secret("Pepper", PEPPER, template={}, generate="1")
        self.origin = self._secret("Origin", ORIGIN)
        # By version: the keys that encrypt the secrets of webhooks.
        self.webhooks = self._secret("WebhookKeys", WEBHOOK_KEYS, template={}, generate="1")
        # By version: the latest key signs the chain of the audit log.
        self.audit = self._secret("AuditKeys", AUDIT_KEYS, template={}, generate="1")
        # By year: the keys that hash addresses in the audit log. `make keys` creates them. The key of a past year can
        # be destroyed.
        self.addresses = self._secret("AddressKeys", ADDRESS_KEYS, template={}, generate="unused")
        # `make keys` creates the parameter, so it does not exist at the first deployment.
        self.public = ssm.StringParameter.from_string_parameter_attributes(
            self, "PublicKeys", parameter_name=f"/oms/{stage.name}/jwks", force_dynamic_reference=True
        )
        acknowledge(
            self,
            "AwsSolutions-SMG4",
            "`make keys` rotates signing keys: it publishes a new one before it signs with it. A pepper lives as long "
            "as the password hashes made with it. So do the keys that encrypt webhook secrets, and those that sign the "
            "audit log and pseudonymize its addresses. `make origin-secret` rotates the origin secret with the "
            "distribution that sends it.",
        )

    def _secret(
        self, construct_id: str, name: str, *, template: dict[str, object] | None = None, generate: str | None = None
    ) -> secretsmanager.Secret:
        return secretsmanager.Secret(
            self,
            construct_id,
            secret_name=self.name(name),
            generate_secret_string=secretsmanager.SecretStringGenerator(
                password_length=64,
                exclude_punctuation=True,
                secret_string_template=None if template is None else json.dumps(template),
                generate_string_key=generate,
            ),
            removal_policy=retention(self._stage),
        )

    def name(self, part: str) -> str:
        """Returns the secret's fixed name. `make keys` derives it from the stage; functions have it in their
        environment.
        """
        return f"oms/{self._stage.name}/{part}"

    def grant(self, secret: secretsmanager.Secret, grantee: iam.IGrantable) -> None:
        """Allows reading the secret's value alone: `grant_read` would also allow DescribeSecret."""
        iam.Grant.add_to_principal(
            grantee=grantee, actions=["secretsmanager:GetSecretValue"], resource_arns=[secret.secret_arn]
        )

    def grant_public(self, grantee: iam.IGrantable) -> None:
        iam.Grant.add_to_principal(
            grantee=grantee, actions=["ssm:GetParameter"], resource_arns=[self.public.parameter_arn]
        )
