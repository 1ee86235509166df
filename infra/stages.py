"""What differs between the stages: local (this machine), dev and prod (AWS)."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

STAGES = ("local", "dev", "prod")

# These weaken a protection so that tests can move time or skip a limit. Nothing but the local cloud may have them.
LOOSENING = ("clock_offset", "register_limit", "login_limit")


class StageError(Exception):
    """The stage or one of its settings is refused; the message says which."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage's settings: the defaults here, changed by `settings.<stage>` in the CDK context (cdk.json)."""

    name: str
    currency: str = "EUR"
    hold_seconds: int = 1800
    # Only ever grows: a smaller number would hide the orders of the shards that are left out.
    order_shards: int = 1
    shipping_max: str = "1000.00"
    shipping_flat: str | None = None
    cors_origins: tuple[str, ...] = ()
    # Requests a second over the whole API, and the burst above it; more is the gateway's 429.
    throttle_rate: int = 200
    throttle_burst: int = 400
    log_level: str = "INFO"
    # A name of CDK's RetentionDays, as ONE_WEEK or ONE_YEAR.
    log_retention: str = "ONE_MONTH"
    # Caps how many logins run at once, each a full core of bcrypt; None leaves it to the account's limit.
    passwords_concurrency: int | None = None
    alarm_email: str | None = None
    clock_offset: int | None = None
    register_limit: int | None = None
    login_limit: int | None = None

    @property
    def is_local(self) -> bool:
        return self.name == "local"

    @classmethod
    def named(cls, name: str, settings: Mapping[str, Any]) -> Self:
        if name not in STAGES:
            raise StageError(f"Unknown stage {name!r}: choose one of {', '.join(STAGES)}.")
        unknown = sorted(set(settings) - {field.name for field in dataclasses.fields(cls)} | {"name"} & set(settings))
        if unknown:
            raise StageError(f"Unknown setting {unknown[0]!r} of the stage {name!r} in the CDK context.")
        if name != "local":
            _refuse_loosening(name, settings)
        stage = cls(name=name, **{key: tuple(v) if isinstance(v, list) else v for key, v in settings.items()})
        stage._refuse_wildcard_origins()
        return stage

    def _refuse_wildcard_origins(self) -> None:
        for origin in self.cors_origins:
            if "*" in origin or not origin.startswith(("https://", "http://localhost:")):
                raise StageError(f"The CORS origin {origin!r} is refused: name each origin in full, as https://host.")


def _refuse_loosening(name: str, settings: Mapping[str, Any]) -> None:
    for setting in LOOSENING:
        if settings.get(setting) is not None:
            raise StageError(f"The setting {setting!r} is refused in the stage {name!r}: it is for the local stage only.")
