"""The stack of one stage: all components, which are deployed and rolled back as one unit."""

import aws_cdk as cdk
from constructs import Construct

from infra.aggregates import Aggregates
from infra.alarms import Alarms
from infra.api import Api
from infra.audit import Audit
from infra.backups import Backups
from infra.capacity import Capacity
from infra.console import Console
from infra.dashboard import Dashboard
from infra.data import Data
from infra.events import Events
from infra.expiry import Expiry
from infra.exports import Exports
from infra.functions import Functions
from infra.imports import Imports
from infra.keys import Keys
from infra.live import Canary, live_name
from infra.mail import Mail
from infra.schedules import Schedules
from infra.search import Search
from infra.stages import Stage
from infra.statistics import Statistics
from infra.stock_ledger import StockLedger
from infra.webhooks import Webhooks


class OmsStack(cdk.Stack):
    def __init__(self, scope: Construct, stage: Stage, *, protected: bool = False) -> None:
        """Creates the stack. `protected` prevents its deletion, and is true after the first deployment: see
        oms.commands.protect.
        """
        super().__init__(
            scope,
            f"Oms-{stage.name}",
            description=f"Secure Order Management System, stage {stage.name}",
            termination_protection=protected and not stage.is_local,
        )
        cdk.Tags.of(self).add("application", "oms")
        cdk.Tags.of(self).add("stage", stage.name)
        alarms = Alarms(self, "Alarms", stage)
        data = Data(self, "Data", stage)
        if stage.backup_days is not None:
            Backups(self, "Backups", stage=stage, data=data)
        keys = Keys(self, "Keys", stage)
        functions = Functions(self, "Functions", stage=stage, data=data, keys=keys, alarms=alarms)
        Expiry(self, "Expiry", functions=functions, alarms=alarms)
        # The id must stay, because queues and alarms of deployed stages have names that contain it.
        StockLedger(self, "StockBook", data=data, functions=functions, alarms=alarms)
        Search(self, "Search", data=data, functions=functions, alarms=alarms)
        Audit(self, "Audit", stage=stage, data=data, keys=keys, functions=functions, alarms=alarms)
        events = Events(self, "Events", stage=stage, data=data, functions=functions, alarms=alarms)
        Aggregates(self, "Aggregates", stage=stage, data=data, functions=functions, events=events)
        Exports(self, "Exports", stage=stage, data=data, functions=functions, events=events, alarms=alarms)
        imports = Imports(self, "Imports", stage=stage, data=data, functions=functions, events=events, alarms=alarms)
        Schedules(self, "Schedules", stage=stage, data=data, functions=functions, events=events, alarms=alarms)
        Mail(self, "Mail", stage=stage, functions=functions, events=events, alarms=alarms)
        Webhooks(
            self,
            "Webhooks",
            stage=stage,
            data=data,
            keys=keys,
            functions=functions,
            events=events,
            alarms=alarms,
        )
        Statistics(self, "Statistics", data=data, functions=functions, alarms=alarms)
        api = Api(self, "Api", stage=stage, functions=functions, alarms=alarms)
        console = (
            Console(self, "Console", stage=stage, api=api.api, imports=imports.bucket, keys=keys)
            if stage.console
            else None
        )
        if stage.canary_minutes:
            Canary(self, "Canary", minutes=stage.canary_minutes, functions=functions.serving, alarms=alarms)

        Capacity(self, "Capacity", stage=stage, data=data, functions=functions, alarms=alarms)
        Dashboard(self, "Dashboard", stage=stage, data=data, functions=functions, alarms=alarms, api=api)

        cdk.CfnOutput(self, "ApiId", value=api.api.api_id)
        if stage.default_endpoint:
            cdk.CfnOutput(self, "ApiUrl", value=console.url if console else api.api.api_endpoint)
        # For commands that read the orders' index by days of the shop.
        cdk.CfnOutput(self, "OrderShards", value=str(stage.order_shards))
        cdk.CfnOutput(self, "TimeZone", value=stage.time_zone)
        if stage.public_url:
            cdk.CfnOutput(self, "PublicUrl", value=stage.public_url)
        for name, function in functions.all.items():
            cdk.CfnOutput(self, f"{name}Function", value=live_name(function))
