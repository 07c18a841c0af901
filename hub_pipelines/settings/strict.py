"""What every part of the settings is: nothing unknown in it, and nothing changes it."""

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A part of the settings. An unknown name in it is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
