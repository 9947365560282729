"""The front of what is said about where calls go: the nouns, how they are read, and what can be wrong with them.

A TOML file and the control plane's JSON bodies go through the same functions, so both are told the same.
"""

from waystation.catalogue.provider_presets import PRESETS, Preset
from waystation.catalogue.provider_rules import check_files, check_provider, filled, reach_of
from waystation.catalogue.route_rules import check_routes
from waystation.catalogue.routing_nouns import (
    CanaryConfig,
    DeploymentConfig,
    ModelFacts,
    NewModel,
    Problem,
    RouteConfig,
    Rule,
    StaticConfig,
    When,
)
from waystation.catalogue.routing_reading import nearest, read_deployment, read_route, read_table

__all__ = [
    "PRESETS",
    "CanaryConfig",
    "DeploymentConfig",
    "ModelFacts",
    "NewModel",
    "Preset",
    "Problem",
    "RouteConfig",
    "Rule",
    "StaticConfig",
    "When",
    "check_files",
    "check_provider",
    "check_routes",
    "filled",
    "nearest",
    "reach_of",
    "read_deployment",
    "read_route",
    "read_table",
]
