"""What tests of the whole product share: a server with the real engine and a gateway to fake providers, once."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.e2e.moody_upstream import Moody, moody_upstream
from tests.e2e.running import Running, Upstream, fake_upstream, serving, tail
from tests.e2e.sdks import node_is_missing, node_path

# The fake provider's modes are the names of its models; any other name gets a plain answer.
UPSTREAM_MODELS = (
    "gpt-4o",
    "gpt-4o-mini",
    "slow",
    "tools",
    "fault-429",
    "fault-quota",
    "fault-500",
    "fault-401",
    "drop-mid",
)
SHOWN = "shown"  # record_property(SHOWN, text): the text is read at the end of the run, passed or not
UPSTREAM_KEY = "sk-provider-key-Zq8xW3vN7tL2"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Waystation out of the box: no configuration, the embedded models."""
    with serving(tmp_path_factory.mktemp("server") / "data") as running:
        yield running


@pytest.fixture(scope="session")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    with fake_upstream(tmp_path_factory.mktemp("upstream")) as running:
        yield running


@pytest.fixture(scope="session")
def moody() -> Iterator[Moody]:
    """A provider that refuses as often as a test tells it to."""
    with moody_upstream() as upstream:
        yield upstream


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream, moody: Moody) -> Iterator[Running]:
    """Waystation in front of both."""
    folder = tmp_path_factory.mktemp("gateway")
    config = folder / "waystation.toml"
    config.write_text(gateway_config(upstream, moody))
    with serving(folder / "data", config) as running:
        yield running


@pytest.fixture(scope="session")
def node_environment() -> dict[str, str]:
    """The environment in which node finds the SDK."""
    if node_is_missing():
        pytest.skip("node and npm are not installed: the Node SDK is not tested here")
    return {"NODE_PATH": str(node_path())}


def gateway_config(upstream: Upstream, moody: Moody) -> str:
    """A configuration as an administrator would write it: providers, their models at the FAQ's price of GPT-4o.

    A key that was refused or limited rests for all models of its provider, so each model that is refused has its own.
    """
    lines = ["[engine]", "enabled = false"]
    apart = ("moody", *(name for name in UPSTREAM_MODELS if name.startswith("fault-")))
    for provider in ("fake", *apart):
        url = moody.url if provider == "moody" else f"{upstream.url}/v1"
        lines += [f"[providers.{provider}]", f'base_url = "{url}"', f'api_key = "{UPSTREAM_KEY}"']
    for name in (*UPSTREAM_MODELS, "moody"):
        provider = name if name in apart else "fake"
        price = '{ currency = "USD", input = "2.50", output = "10.00" }'
        lines += [f'[models."{name}"]', f'provider = "{provider}"', f"price = {price}"]
    return "\n".join(lines) + "\n"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, text in report.user_properties:
                if name == SHOWN:
                    terminalreporter.write_line(str(text))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows the end of the logs of the servers that it used."""
    report = yield
    if report.failed:
        for name in ("server", "gateway", "upstream"):
            running = getattr(item, "funcargs", {}).get(name)
            if isinstance(running, Running | Upstream):
                report.sections.append((f"log of {name}", tail(Path(running.log))))
    return report
