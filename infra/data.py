"""The tables, one per domain, and the functions' permissions on them."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.checks import acknowledge
from infra.stages import Stage

# It does not include Scan, because no request and no worker reads a whole table.
READ = ("GetItem", "BatchGetItem", "Query")
WRITE = ("PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem")

PRODUCT_INDEXES = {
    "by_name": ("listing", "name_key"),
    "by_sku": ("listing", "sku_key"),
    "by_price": ("listing", "price_key"),
    "by_created": ("listing", "created_key"),
    "category_by_name": ("listing_category", "name_key"),
    "category_by_price": ("listing_category", "price_key"),
    "category_by_created": ("listing_category", "created_key"),
}


class Data(Construct):
    """The tables of a stage.

    All indexes are created with their table, since an update of an existing table can add only one.
    """

    def __init__(self, scope: Construct, construct_id: str, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        self._stage = stage
        self.tables: list[dynamodb.TableV2] = []
        # table's construct id → the names of its indexes
        self.indexes: dict[str, list[str]] = {}
        self.identity = self._table(
            "Identity",
            ("pk", "sk"),
            indexes=[_index("users", "listing", "email_key", include=["role", "status"])],
            ttl="ttl",
        )
        self.inventory = self._table(
            "Inventory", ("pk", "sk"), indexes=[_index(name, *keys) for name, keys in PRODUCT_INDEXES.items()]
        )
        self.orders = self._table(
            "Orders",
            ("id",),
            indexes=[
                _index("by_customer", "customer_id", "created_key", include=["status"]),
                _index("by_created", "shard", "created_key", include=["status", "customer_id"]),
                # By status: it is named for the open orders, which it listed alone in earlier versions.
                _index("open", "open_shard", "created_key", include=["expires_at"]),
                _index("by_customer_status", "customer_status", "created_key"),
            ],
        )
        self.audit = self._table(
            "Audit",
            ("pk", "sk"),
            indexes=[
                _index("by_time", "listing", "sk"),
                _index("by_actor", "actor_id", "sk", include=["action"]),
                _index("by_action", "action", "sk"),
            ],
        )
        self.events = self._table("Events", ("pk", "sk"), ttl="ttl")
        self.webhooks = self._table(
            "Webhooks", ("pk", "sk"), indexes=[_index("due", "due_shard", "due_key")], ttl="ttl"
        )
        self.reports = self._table(
            "Reports", ("pk", "sk"), indexes=[_index("listed", "listing", "created_key")], ttl="ttl"
        )
        self.search = self._table("Search", ("pk", "sk"))

    @property
    def all(self) -> tuple[dynamodb.TableV2, ...]:
        return (
            *(self.identity, self.inventory, self.orders, self.audit),
            *(self.events, self.webhooks, self.reports, self.search),
        )

    def _table(
        self,
        construct_id: str,
        keys: tuple[str, ...],
        *,
        indexes: Sequence[dynamodb.GlobalSecondaryIndexPropsV2] = (),
        ttl: str | None = None,
    ) -> dynamodb.TableV2:
        local = self._stage.is_local
        table = dynamodb.TableV2(
            self,
            construct_id,
            partition_key=_string(keys[0]),
            sort_key=_string(keys[1]) if len(keys) > 1 else None,
            global_secondary_indexes=list(indexes),
            time_to_live_attribute=ttl,
            billing=dynamodb.Billing.on_demand(),
            encryption=dynamodb.TableEncryptionV2.aws_managed_key(),
            # The outbox: events are derived from the old and the new image of each change.
            dynamo_stream=dynamodb.StreamViewType.NEW_AND_OLD_IMAGES,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=not local
            ),
            deletion_protection=not local,
            # The table is retained also when its creation is rolled back, because deletion protection would stop the
            # rollback. CloudFormation generates the name, so a table that is left does not block the next deployment.
            removal_policy=cdk.RemovalPolicy.DESTROY if local else cdk.RemovalPolicy.RETAIN,
        )
        self.tables.append(table)
        self.indexes[construct_id] = [index.index_name for index in indexes]
        if indexes:
            self._acknowledge_index_wildcard(table)
        return table

    def _acknowledge_index_wildcard(self, table: dynamodb.TableV2) -> None:
        stack = cdk.Stack.of(self)
        resource = table.node.default_child
        assert isinstance(resource, cdk.CfnElement)
        acknowledge(
            stack,
            f"AwsSolutions-IAM5[Resource::<{stack.get_logical_id(resource)}.Arn>/index/*]",
            "A grant on a table covers all of its own indexes, and nothing else.",
        )


def grant(table: dynamodb.TableV2, grantee: iam.IGrantable, *operations: str) -> None:
    """Allows operations, such as `GetItem`, on a table and its indexes."""
    table.grant(grantee, *(f"dynamodb:{operation}" for operation in operations))


def grant_append(table: dynamodb.TableV2, grantee: iam.IGrantable, operations: Sequence[str]) -> None:
    """Allows operations on entries of the audit log, but not on links and heads of its chain.

    IAM cannot distinguish a new entry from a replaced one: it has no condition key for an item's existence. The code
    puts an entry on condition that none exists, and the sealer detects an entry that was changed after it was sealed.
    """
    grant_in(table, grantee, operations, partitions=["day#*"])


def grant_in(
    table: dynamodb.TableV2,
    grantee: iam.IGrantable,
    operations: Sequence[str],
    *,
    partitions: Sequence[str],
    attributes: Sequence[str] = (),
) -> None:
    """Allows operations on the items of these partitions alone, without indexes. `*` stands for any characters.

    With `attributes`, an update and its condition may name only these attributes; the keys must be among them. The
    update may then not return the whole item, which has other attributes too:
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
    """
    conditions: dict[str, dict[str, list[str]]] = {
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": list(partitions)}
    }
    if attributes:
        conditions["ForAllValues:StringEquals"] = {"dynamodb:Attributes": list(attributes)}
        conditions["StringEqualsIfExists"] = {"dynamodb:ReturnValues": ["NONE", "UPDATED_OLD", "UPDATED_NEW"]}
    iam.Grant.add_to_principal(
        grantee=grantee,
        actions=[f"dynamodb:{operation}" for operation in operations],
        resource_arns=[table.table_arn],
        conditions=conditions,
    )


def _index(
    name: str, partition_key: str, sort_key: str, *, include: list[str] | None = None
) -> dynamodb.GlobalSecondaryIndexPropsV2:
    return dynamodb.GlobalSecondaryIndexPropsV2(
        index_name=name,
        partition_key=_string(partition_key),
        sort_key=_string(sort_key),
        projection_type=dynamodb.ProjectionType.INCLUDE if include else dynamodb.ProjectionType.KEYS_ONLY,
        non_key_attributes=include,
    )


def _string(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)
