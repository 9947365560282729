"""The nouns and rules that a fleet shares with the configuration file: one place says where they come from."""

from waystation.catalogue.provider_rules import NAME
from waystation.catalogue.routing_model import (
    DeploymentConfig,
    ModelFacts,
    NewModel,
    Problem,
    RouteConfig,
    check_provider,
    check_routes,
    filled,
    nearest,
)

__all__ = [
    "NAME",
    "DeploymentConfig",
    "ModelFacts",
    "NewModel",
    "Problem",
    "RouteConfig",
    "check_provider",
    "check_routes",
    "filled",
    "nearest",
]
