"""What differs between the stages: local (this machine), dev and prod (AWS)."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

# These weaken a protection so that tests can move time or skip a limit. Nothing but the local cloud may have them.
LOOSENING = ("clock_offset", "register_limit", "login_limit")


class StageError(Exception):
    """The stage or one of its settings is refused; the message says which."""


class Stage(BaseModel):
    """A stage's settings: the defaults here, changed by `settings.<stage>` in the CDK context (cdk.json)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["local", "dev", "prod"]
    currency: str = Field("EUR", pattern="^[A-Z]{3}$")
    hold_seconds: int = Field(1800, ge=1)
    # The sweeper looks no later than this after an order's creation: set it before the hold is made longer.
    shortest_hold_seconds: int | None = Field(None, ge=1)
    # Only ever grows: a smaller number would hide the orders of the shards that are left out.
    order_shards: int = Field(1, ge=1)
    shipping_max: str = "1000.00"
    shipping_flat: str | None = None
    # http://localhost is for a developer's shop front before a deployed stage.
    cors_origins: tuple[str, ...] = ()
    # Requests a second over the whole API, and the burst above it; more is the gateway's 429.
    throttle_rate: int = Field(200, ge=1)
    throttle_burst: int = Field(400, ge=1)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    # A name of CDK's RetentionDays.
    log_retention: Literal["ONE_WEEK", "ONE_MONTH", "THREE_MONTHS", "SIX_MONTHS", "ONE_YEAR"] = "ONE_MONTH"
    # Caps how many logins run at once, each a full core of bcrypt; None leaves it to the account's limit.
    passwords_concurrency: int | None = Field(None, ge=1)
    alarm_email: str | None = None
    clock_offset: int | None = None
    register_limit: int | None = Field(None, ge=1)
    login_limit: int | None = Field(None, ge=1)

    @property
    def is_local(self) -> bool:
        return self.name == "local"

    @classmethod
    def named(cls, name: str, settings: Mapping[str, Any]) -> Self:
        try:
            stage = cls(**{**settings, "name": name})
        except ValidationError as error:
            first = error.errors()[0]
            setting = ".".join(str(part) for part in first["loc"])
            raise StageError(f"The setting {setting!r} of the stage {name!r} is refused: {first['msg']}.") from error
        stage._refuse_loosening()
        stage._refuse_vague_origins()
        return stage

    def _refuse_loosening(self) -> None:
        for setting in LOOSENING:
            if not self.is_local and getattr(self, setting) is not None:
                raise StageError(f"The setting {setting!r} is refused in {self.name!r}: it is for the stage 'local'.")

    def _refuse_vague_origins(self) -> None:
        for origin in self.cors_origins:
            if "*" in origin or not origin.startswith(("https://", "http://localhost:")):
                raise StageError(f"The CORS origin {origin!r} is refused: name each origin in full, as https://host.")
