"""What can be done with deployments. Every verb runs in the transaction that it is given and raises ApiErrors."""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection

from waystation import tables
from waystation.catalogue.book.lookup import known_price
from waystation.errors import NotFound, PriceMissing
from waystation.fleet import store
from waystation.fleet.ground import Ground, already_there, in_use, set_in_file, too_many
from waystation.fleet.model import DEPLOYMENTS_MAX, DEPLOYMENTS_PER_MODEL_MAX, DeploymentRow, Source, config_of
from waystation.fleet.nouns import DeploymentConfig, NewModel, check_routes, filled
from waystation.fleet.providers import Providers
from waystation.fleet.routes import named_by
from waystation.fleet.rules import check_long_name, near, refuse, wrong
from waystation.metering.price_reading import read_price, read_price_text
from waystation.metering.price_text import written_price
from waystation.terms import ENGINE, Price

CONTEXT_TOKENS_MOST = 100_000_000
UPSTREAM_CHARS_MAX = 256


class ListedDeployment(msgspec.Struct, frozen=True):
    id: str  # of the file's: the name
    name: str
    source: Source
    config: DeploymentConfig
    price: Any
    created_at: int | None
    updated_at: int | None


class Deployments:
    def __init__(self, ground: Ground, providers: Providers) -> None:
        self._ground = ground
        self._providers = providers

    def create(
        self, connection: Connection, config: DeploymentConfig, *, name: str | None = None, price: Any = None
    ) -> ListedDeployment:
        """`price`: of the new model, as it is written in the configuration; None: the price book's."""
        upstream = _check_upstream(config)
        self._check_model(connection, config, price)
        checked = check_long_name(f"{config.provider}/{upstream}" if name is None else name)
        self._check_name_is_free(connection, checked)
        if store.count(connection, tables.deployments) >= DEPLOYMENTS_MAX:
            raise too_many("deployments", DEPLOYMENTS_MAX)
        if len(store.deployments(connection, model=config.model)) >= DEPLOYMENTS_PER_MODEL_MAX:
            raise too_many(f"deployments of {config.model!r}", DEPLOYMENTS_PER_MODEL_MAX, "model")
        now = self._ground.tell(connection, checked)
        row = DeploymentRow(self._ground.new_id("dep_"), checked, config, None, now, now)
        return self._write(connection, row, price)

    def update(
        self, connection: Connection, ref: str, changes: Mapping[str, Any], *, price: Any = None
    ) -> ListedDeployment:
        """`changes`: fields by name, None: back to the default. A model stays what it is; its abilities may change."""
        row = self._row(connection, ref)
        given = msgspec.structs.asdict(row.config) | dict(changes)
        kept = {field: value for field, value in given.items() if value is not None}
        if (changes.get("new_model") is not None or price is not None) and row.config.new_model is None:
            raise wrong("'new_model' belongs to the deployment that brought the model.", "new_model")
        if row.config.new_model is not None:
            kept["new_model"] = kept.get("new_model", row.config.new_model)
        config = DeploymentConfig(**kept)
        now = self._ground.tell(connection, row.name)
        moved = msgspec.structs.replace(row, config=config, updated_at=now)
        return self._write(connection, moved, row.price if price is None else price)

    def remove(self, connection: Connection, ref: str) -> str:
        """Its id. The model that it brought goes on with the next of its deployments; the last one of a model that a route
        names is not removed."""
        row = self._row(connection, ref)
        others = [each for each in store.deployments(connection, model=row.config.model) if each.id != row.id]
        if row.config.new_model is not None:
            self._pass_on(connection, row, others)
        store.remove_deployment(connection, row.id)
        self._check(connection, row.config.model)
        self._ground.tell(connection, row.name)
        return row.id

    def all(self, connection: Connection) -> list[ListedDeployment]:
        """By id."""
        found = [_listed(row) for row in store.deployments(connection)]
        found += [_of_file(name, config) for name, config in self._ground.fixed().deployments.items()]
        return sorted(found, key=lambda each: each.id)

    def one(self, connection: Connection, ref: str) -> ListedDeployment:
        """By id or name."""
        fixed = self._ground.fixed().deployments
        return _of_file(ref, fixed[ref]) if ref in fixed else _listed(self._row(connection, ref))

    def _row(self, connection: Connection, ref: str) -> DeploymentRow:
        if ref in self._ground.fixed().deployments:
            raise set_in_file("deployment", ref, "deployment_id")
        found = store.deployments(connection, ref=ref)
        if found:
            return found[0]
        close = near(ref, [*self._names(), *(row.name for row in store.deployments(connection))])
        raise NotFound(f"There is no deployment {ref[:128]!r}{close}.", param="deployment_id")

    def _names(self) -> set[str]:
        """Those that the file has; its models' own too."""
        fixed = self._ground.fixed()
        own = {f"{facts.provider}/{facts.upstream_model or name}" for name, facts in fixed.models.items()}
        return own | fixed.deployments.keys()

    def _check_name_is_free(self, connection: Connection, name: str) -> None:
        if name in self._names() or store.deployments(connection, ref=name):
            raise already_there("deployment", name, "name")

    def _check_model(self, connection: Connection, config: DeploymentConfig, price: Any) -> None:
        """A new name is a new model only when that is said: it may be a slip."""
        if self._ground.model(connection, config.model) is not None:
            if config.new_model is not None or price is not None:
                raise wrong(f"The model {config.model!r} is there already. Leave 'new_model' out.", "new_model")
            return
        if config.provider == ENGINE:
            raise wrong("A model of this machine is added with `waystation models add`.", "model", "not_found")
        check_long_name(config.model, "model")
        if config.model in self._ground.routes(connection):
            raise already_there("route", config.model, "model")
        if config.new_model is None:
            close = near(config.model, self._ground.models(connection))
            raise wrong(
                f"There is no model {config.model!r}{close}. If it is a new one, say what it "
                'can do: "new_model": {"context_tokens_max": …, "price": …}.',
                "model",
                "not_found",
            )

    def _write(self, connection: Connection, row: DeploymentRow, price: Any) -> ListedDeployment:
        _check_upstream(row.config)
        if row.config.new_model is not None:
            _check_abilities(row.config.new_model)
        store.put_deployment(connection, row)
        self._check(connection, row.config.model)
        if row.config.new_model is not None:
            row = msgspec.structs.replace(row, price=written_price(self._price(connection, row, price)))
            store.put_deployment(connection, row)
        return _listed(row)

    def _price(self, connection: Connection, row: DeploymentRow, given: Any) -> Price | None:
        if given is not None:
            try:
                return read_price_text(given) if isinstance(given, str) else read_price(given)
            except ValueError as error:
                raise wrong(f"'new_model.price' {error}.", "new_model.price") from None
        config, provider = row.config, self._providers.one(connection, row.config.provider)
        upstream = config.upstream_model or config.model
        base_url = filled(config_of(provider.name, provider.fields, ())).base_url
        price = known_price(provider.name, base_url, upstream, self._ground.clock.now_s(), None)
        if price is None:
            raise PriceMissing(
                f"Nobody has said what {upstream!r} costs at {provider.name!r}. "
                'Send "new_model": {"price": {"input": "2.50", "output": "10"}}, 0 or "unmetered".',
                param="new_model.price",
            )
        return price

    def _check(self, connection: Connection, model: str) -> None:
        """All deployments of a model together. Raises InvalidRequest."""
        fixed, facts = self._ground.fixed(), self._ground.model(connection, model)
        known = {} if facts is None else {model: facts}
        there = {row.name: row.config for row in store.deployments(connection, model=model)}
        there |= {name: config for name, config in fixed.deployments.items() if config.model == model}
        brought = any(config.new_model is not None for config in there.values())
        for config in there.values():
            if config.provider != ENGINE:
                continue
            upstream = self._ground.model(connection, config.upstream_model or model)
            if upstream is None or not upstream.is_local:
                raise wrong("'upstream_model' is no model of this machine.", "upstream_model", "not_found")
        names = self._ground.provider_names(connection) | {ENGINE}
        refuse(check_routes({} if brought else known, there, {}, dict.fromkeys(names)))

    def _pass_on(self, connection: Connection, row: DeploymentRow, others: list[DeploymentRow]) -> None:
        if not others:
            named = named_by(self._ground.routes(connection), row.config.model)
            if named:
                raise in_use(
                    f"{row.name!r} is the last deployment of {row.config.model!r}, which the route {named[0]!r} names. "
                    "Change or remove that route first.",
                    "deployment_id",
                )
            return
        heir = min(others, key=lambda each: (each.config.tier, each.id))
        config = msgspec.structs.replace(heir.config, new_model=row.config.new_model)
        store.put_deployment(connection, msgspec.structs.replace(heir, config=config, price=row.price))


def _check_upstream(config: DeploymentConfig) -> str:
    """The model's name at the provider."""
    upstream = config.upstream_model or config.model
    if not upstream.isprintable() or len(upstream) > UPSTREAM_CHARS_MAX:
        raise wrong(f"'upstream_model' has at most {UPSTREAM_CHARS_MAX} printable characters.", "upstream_model")
    return upstream


def _check_abilities(model: NewModel) -> None:
    for param in ("context_tokens_max", "output_tokens_max"):
        if not 1 <= getattr(model, param) <= CONTEXT_TOKENS_MOST:
            raise wrong(f"'new_model.{param}' is from 1 to {CONTEXT_TOKENS_MOST}.", f"new_model.{param}")
    if model.dimensions is not None and not 1 <= model.dimensions <= CONTEXT_TOKENS_MOST:
        raise wrong("'new_model.dimensions' is at least 1.", "new_model.dimensions")


def _listed(row: DeploymentRow) -> ListedDeployment:
    return ListedDeployment(row.id, row.name, "api", row.config, row.price, row.created_at, row.updated_at)


def _of_file(name: str, config: DeploymentConfig) -> ListedDeployment:
    return ListedDeployment(name, name, "file", config, None, None, None)
