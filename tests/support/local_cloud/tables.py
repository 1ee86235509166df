"""The tables of the local cloud without the API: copied, damaged, compared."""

import time
from itertools import batched
from typing import Any

from local.system import LocalSystem

type Items = dict[tuple[str, ...], dict[str, Any]]


class Tables:
    """The stage's tables, and copies as point-in-time recovery creates them: new tables with the items alone."""

    def __init__(self, system: LocalSystem) -> None:
        self._system = system
        self._dynamodb = system.client("dynamodb")
        self.copies: list[str] = []

    def name(self, domain: str) -> str:
        return self._system.environment("Orders")[f"OMS_{domain.upper()}_TABLE"]

    def items(self, table: str) -> Items:
        pages = self._dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        names = ("id",) if table.rpartition("-")[0] == "orders" or table == self.name("Orders") else ("pk", "sk")
        return {tuple(it[name]["S"] for name in names): it for page in pages for it in page["Items"]}

    def of(self, domain: str) -> Items:
        """Returns the items of a table without the marks of a restore."""
        return {
            key: {name: value for name, value in it.items() if name != "restored"}
            for key, it in self.items(self.name(domain)).items()
        }

    def restored(self, domain: str) -> str:
        """Creates a copy of this domain's table."""
        live = self.name(domain)
        described = self._dynamodb.describe_table(TableName=live)["Table"]
        keys = {it["AttributeName"] for it in described["KeySchema"]}
        copy = f"{domain.lower()}-{time.time_ns()}"
        self._dynamodb.create_table(
            TableName=copy,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=described["KeySchema"],
            AttributeDefinitions=[it for it in described["AttributeDefinitions"] if it["AttributeName"] in keys],
        )
        self.copies.append(copy)
        for some in batched(self.items(live).values(), 25, strict=False):
            self._dynamodb.batch_write_item(RequestItems={copy: [{"PutRequest": {"Item": it}} for it in some]})
        return copy

    def delete(self, domain: str, *keys: tuple[str, ...]) -> None:
        for key in keys:
            names = ("pk", "sk") if len(key) > 1 else ("id",)
            where = {name: {"S": value} for name, value in zip(names, key, strict=True)}
            self._dynamodb.delete_item(TableName=self.name(domain), Key=where)

    def overwrite(self, domain: str, key: tuple[str, ...], **attributes: Any) -> None:
        item = self.items(self.name(domain))[key]
        self._dynamodb.put_item(TableName=self.name(domain), Item=item | attributes)
