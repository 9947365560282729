"""What only the file and the engine have: local models, and credentials that the file itself has switched off."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.fleet.fleet_stand import fleet_stand
from waystation.errors import InvalidRequest
from waystation.fleet.model import Fixed
from waystation.fleet.nouns import DeploymentConfig, ModelFacts, NewModel
from waystation.providers.model import ProviderConfig
from waystation.terms import ENGINE, Credential, Secret

OFF = Credential("filed/off", "off", Secret("sk-off"), disabled=True)
FIXED = Fixed(
    providers={"filed": ProviderConfig(name="filed", base_url="https://a.example.com", credentials=(OFF,))},
    models={"chat": ModelFacts("chat", "filed", "chat"), "small": ModelFacts("chat", ENGINE, "small")},
)


def test_a_model_may_have_a_deployment_on_this_machine(tmp_path: Path) -> None:
    local = DeploymentConfig(model="chat", provider=ENGINE, upstream_model="small", tier=1)
    with fleet_stand(tmp_path, FIXED) as s:
        assert s.do(lambda c: s.fleet.deployments.create(c, local, name="chat-here")).name == "chat-here"
        joined = s.fleet.join(s.do(s.fleet.load))
    assert (joined.problems, list(joined.deployments.values())) == ((), [local])


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"upstream_model": "chat"}, "upstream_model"),
        ({"upstream_model": "nobody"}, "upstream_model"),
        ({"model": "new", "new_model": NewModel()}, "model"),
    ],
    ids=["a provider's", "nobody's", "a new one"],
)
def test_only_models_of_this_machine_are_served_by_it(tmp_path: Path, given: dict[str, Any], param: str) -> None:
    asked = DeploymentConfig(**{"model": "chat", "provider": ENGINE, "tier": 1, **given})
    with fleet_stand(tmp_path, FIXED) as s, pytest.raises(InvalidRequest) as caught:
        s.do(lambda c: s.fleet.deployments.create(c, asked, name="d"))
    assert caught.value.param == param


def test_what_the_file_switched_off_is_switched_on_there(tmp_path: Path) -> None:
    with fleet_stand(tmp_path, FIXED) as s:
        assert s.do(s.fleet.credentials.all)[0].enabled is False
        with pytest.raises(InvalidRequest) as caught:
            s.do(lambda c: s.fleet.credentials.update(c, "filed/off", enabled=True))
        assert caught.value.code == "set_in_file"
