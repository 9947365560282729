"""`waystation check` from outside, in both languages: what is wrong with a configuration is said in a sentence, with exit code
2 where it can't be used and 1 where something that it names is not there."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.running import clean_environment
from tests.unit.runtime.tls_stand import file

GOOD = """
[engine]
enabled = false
[providers.p]
base_url = "https://api.example.com/v1"
[models.m]
provider = "p"
price = 0
"""
CANT_BE_USED = {
    "names that lead in a circle": (
        '[routes.a]\nalias_of = "b"\n[routes.b]\nalias_of = "a"\n',
        ("routes", "circle"),
        ("routes", "循环"),
    ),
    "a weight of zero everywhere": (
        '[deployments.d]\nmodel = "m"\nprovider = "p"\ntier = 1\nweight = 0\n',
        ("models.m.weight", "none of them would be asked"),
        ("models.m.weight", "不会有任何部署被使用"),
    ),
    "a tier without deployments": (
        '[deployments.d]\nmodel = "m"\nprovider = "p"\ntier = 2\n',
        ("models.m.tier", "count them from 0"),
        ("models.m.tier", "从 0 开始"),
    ),
    "an address in a private network": (
        '[providers.q]\nbase_url = "http://10.0.0.8:8000/v1"\n',
        ("providers.q.base_url", "allow_private_network"),
        ("providers.q.base_url", "allow_private_network"),
    ),
    "the place where clouds keep secrets": (
        '[providers.q]\nbase_url = "http://169.254.169.254/v1"\n',
        ("providers.q.base_url",),
        ("providers.q.base_url",),
    ),
    "a header that would end the line": (
        '[providers.q]\nbase_url = "https://api.example.com/v1"\nheaders = { "x-a\\r\\nx-b" = "c" }\n',
        ("providers.q.headers",),
        ("providers.q.headers",),
    ),
    "a name that would end a line": (
        '[routes."a\\r\\nset-cookie: b"]\nalias_of = "m"\n',
        ("routes", "name"),
        ("routes",),
    ),
    "a certificate with the key of another": (
        '[providers.q]\nbase_url = "https://api.example.com/v1"\n'
        f'client_cert_file = "{file("good")}"\nclient_key_file = "{file("client")}"\n',
        ("providers.q.client_",),
        ("providers.q.client_",),
    ),
    "a certificate that is not there": (
        '[providers.q]\nbase_url = "https://api.example.com/v1"\nca_file = "/nowhere/ca.pem"\n',
        ("providers.q.ca_file", "can't be read"),
        ("providers.q.ca_file", "读取"),
    ),
    "an unknown set of parameter rules": (
        '[deployments.d]\nmodel = "m"\nprovider = "p"\nrules = "gpt5"\n',
        ("deployments.d.rules", "gpt5"),
        ("deployments.d.rules", "gpt5"),
    ),
}
NOT_THERE = {
    "an unknown fallback": (
        '[routes.m]\nfallbacks = ["nobody"]\n',
        ("routes.m.fallbacks", "nobody"),
        ("routes.m.fallbacks", "nobody"),
    ),
    "a list of words that is not there": (
        '[moderation]\nwords_file = "/nowhere/words.toml"\n',
        ("moderation.words_file", "/nowhere/words.toml", "can't be used"),
        ("moderation.words_file", "无法使用"),
    ),
    "a provider that nobody uses": (
        '[providers.q]\nbase_url = "https://api.example.com/v1"\n',
        ("providers.q", "no model names it"),
        ("providers.q", "没有模型使用它"),
    ),
}


def check(folder: Path, config: str, locale: str, *options: str) -> subprocess.CompletedProcess[str]:
    path = folder / "waystation.toml"
    path.write_text(GOOD + config, encoding="utf-8")
    arguments = ["check", "--offline", "--data", str(folder / "data"), "--config", str(path), *options]
    return subprocess.run(
        [sys.executable, "-m", "waystation", *arguments],
        env=clean_environment({"LANG": locale, "LC_ALL": locale}),
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("story", [*CANT_BE_USED, *NOT_THERE])
def test_what_is_wrong_is_said_in_both_languages(story: str, tmp_path: Path) -> None:
    config, english, chinese = {**CANT_BE_USED, **NOT_THERE}[story]
    code = 2 if story in CANT_BE_USED else 1
    for locale, words in (("C.UTF-8", english), ("zh_CN.UTF-8", chinese)):
        done = check(tmp_path, config, locale)
        assert done.returncode == code, done
        assert all(word in done.stderr for word in words), done.stderr
        assert "Traceback" not in done.stderr
        assert (locale == "zh_CN.UTF-8") == bool(re.search("[\u4e00-\u9fff]", done.stderr)), done.stderr
    told = check(tmp_path, config, "C.UTF-8", "--json")
    assert told.returncode == code
    said = json.loads(told.stdout)
    assert said["ok"] is False
    assert all(word in "".join([*said["errors"], *said["problems"]]) for word in english)


def test_a_good_one_is_good(tmp_path: Path) -> None:
    assert check(tmp_path, "", "C.UTF-8").returncode == 0
    done = check(tmp_path, "", "zh_CN.UTF-8")
    assert (done.returncode, "配置正常" in done.stdout) == (0, True)
    assert json.loads(check(tmp_path, "", "C.UTF-8", "--json").stdout)["ok"] is True
    assert [path.name for path in tmp_path.iterdir()] == ["waystation.toml"], "nothing is made for it"
