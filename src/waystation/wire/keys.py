"""Keys of the control plane: as OpenAI's admin API lists them, and with what it lacks: making one."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from waystation.wire.answers import Shape
from waystation.wire.credit import At
from waystation.wire.listing import Listing
from waystation.wire.messages import Exact
from waystation.wire.organizations import Name

YEAR_S = 366 * 86_400


class CreateKey(Exact, frozen=True, gc=False, kw_only=True):
    """Either `project_id`, or `admin` for a key of the control plane. At most one of the two ends of its life."""

    name: Name
    project_id: str | None = None
    admin: bool | None = None
    expires_at: At | None = None
    expires_in_seconds: Annotated[int, Meta(ge=1, le=100 * YEAR_S)] | None = None


class KeyObject(Shape, frozen=True, kw_only=True):
    """`value` is there only in the answer to its making: it can't be seen again."""

    id: str
    object: Literal["key"] = "key"
    value: str | UnsetType = UNSET
    redacted_value: str
    name: str
    organization_id: str
    project_id: str | None
    admin: bool
    created_at: int
    expires_at: int | None
    revoked_at: int | None


class KeyList(Listing, frozen=True, kw_only=True):
    data: list[KeyObject]


class KeyOwnerAccount(Shape, frozen=True, kw_only=True):
    id: str
    name: str
    created_at: int
    role: Literal["member"] = "member"


class KeyOwner(Shape, frozen=True, kw_only=True):
    """There are no persons yet: a key is its own service account."""

    type: Literal["service_account"] = "service_account"
    service_account: KeyOwnerAccount


class ProjectKeyObject(Shape, frozen=True, kw_only=True):
    """A project's key as OpenAI shows it."""

    id: str
    object: Literal["organization.project.api_key"] = "organization.project.api_key"
    redacted_value: str
    name: str
    created_at: int
    last_used_at: int | None
    owner_project_access: Literal["active", "inactive"]
    owner: KeyOwner


class ProjectKeyList(Listing, frozen=True, kw_only=True):
    data: list[ProjectKeyObject]
