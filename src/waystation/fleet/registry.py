"""Joins what the file has with the rows of the control plane: what the catalogue and the providers are made of. Pure.

What can't be used (a secret that another key sealed, a deployment whose provider has gone from the file) is left out and
named among the problems; all the rest works.
"""

from typing import Protocol

import msgspec

from waystation.catalogue.build import Offer, offer_of
from waystation.errors import ServiceUnavailable
from waystation.fleet.model import (
    CredentialRow,
    DeploymentRow,
    Fixed,
    FleetRows,
    ProviderFields,
    ProviderRow,
    config_of,
)
from waystation.fleet.nouns import DeploymentConfig, RouteConfig, filled
from waystation.fleet.rules import with_private
from waystation.metering.price_reading import read_price
from waystation.providers.model import ProviderConfig
from waystation.terms import ENGINE, Credential, Secret


class Unsealer(Protocol):
    def unseal(self, belongs_to: str, sealed: bytes) -> Secret: ...


class Joined(msgspec.Struct, frozen=True, kw_only=True):
    """All by name. `offers` are the models that came with rows; each is the first of its `deployments`."""

    providers: dict[str, ProviderConfig]
    deployments: dict[str, DeploymentConfig]
    offers: dict[str, Offer]
    routes: dict[str, RouteConfig]
    problems: tuple[str, ...] = ()


def join(fixed: Fixed, rows: FleetRows, unsealer: Unsealer) -> Joined:
    """The file's win where a row has the same name, which was free when the row was made."""
    problems: list[str] = []
    providers = _providers(fixed, rows, unsealer, problems)
    deployments = dict(fixed.deployments)
    offers: dict[str, Offer] = {}
    for row in rows.deployments:
        if row.config.provider != ENGINE and row.config.provider not in providers:
            problems.append(f"deployment {row.name}: there is no provider {row.config.provider}")
        elif row.name in deployments:
            problems.append(f"deployment {row.name}: the file has one of this name")
        else:
            deployments[row.name] = row.config
            offer = _offer(row, problems)
            if offer is not None and row.config.model not in fixed.models:
                offers[row.config.model] = offer
    return Joined(
        providers=providers,
        deployments=deployments,
        offers=offers,
        routes={row.name: row.config for row in rows.routes} | dict(fixed.routes),
        problems=tuple(problems),
    )


def _offer(row: DeploymentRow, problems: list[str]) -> Offer | None:
    if row.config.new_model is None:
        return None
    try:
        price = read_price(row.price)
    except ValueError as error:  # never without a price: unknown is not free
        problems.append(f"deployment {row.name}: the price of {row.config.model} {error}")
        return None
    return offer_of(row.name, row.config, price, row.created_at)


def opened(row: ProviderRow, unsealer: Unsealer) -> ProviderFields:
    """A provider's fields with those that are sealed. Raises SecretKeyMissing, CannotUnseal."""
    if row.sealed is None:
        return row.fields
    private = unsealer.unseal(f"provider {row.name}", row.sealed).reveal()
    return with_private(row.fields, msgspec.json.decode(private, type=ProviderFields))


def credential_of(row: CredentialRow, unsealer: Unsealer, *, disabled: bool) -> Credential:
    """Raises SecretKeyMissing, CannotUnseal."""
    return Credential(row.id, row.name, unsealer.unseal(place_of(row), row.sealed), row.weight, disabled)


def place_of(row: CredentialRow) -> str:
    """What a credential's secret is bound to, and how it is named when it can't be read."""
    return f"credential {row.id} of {row.provider}"


def _providers(fixed: Fixed, rows: FleetRows, unsealer: Unsealer, problems: list[str]) -> dict[str, ProviderConfig]:
    pools: dict[str, list[Credential]] = {}
    for config in fixed.providers.values():
        pools[config.name] = [_with_state(each, rows) for each in config.credentials]
    for row in rows.credentials:
        pools.setdefault(row.provider, []).append(_credential(row, rows, unsealer, problems))
    found = {}
    for provider in rows.providers:
        try:
            fields = opened(provider, unsealer)
        except ServiceUnavailable as error:
            problems.append(f"provider {provider.name}: {error.message}")
            continue
        pool = tuple(pools.get(provider.name, ()))
        found[provider.name] = filled(config_of(provider.name, fields, pool), on_this_machine=False)
    for config in fixed.providers.values():
        found[config.name] = filled(msgspec.structs.replace(config, credentials=tuple(pools[config.name])))
    return found


def _with_state(credential: Credential, rows: FleetRows) -> Credential:
    return msgspec.structs.replace(credential, disabled=True) if credential.id in rows.states else credential


def _credential(row: CredentialRow, rows: FleetRows, unsealer: Unsealer, problems: list[str]) -> Credential:
    """One that can't be read is in the pool all the same, disabled: else the provider would be asked without any."""
    try:
        return credential_of(row, unsealer, disabled=row.id in rows.states)
    except ServiceUnavailable as error:
        problems.append(f"credential {row.id} ({row.name}) of {row.provider}: {error.message}")
        return Credential(row.id, row.name, None, row.weight, disabled=True)
