from pathlib import Path

import pytest

from service.settings import PREFIX, Settings, SettingsError


def test_defaults_are_safe():
    settings = Settings.load({})
    assert (settings.host, settings.port, settings.require_clinical_artifacts) == ("127.0.0.1", 8000, False)
    assert settings.max_request_bytes == 256 << 20


def test_the_environment_sets_and_arguments_win(monkeypatch):
    monkeypatch.setenv("CHIASM_PORT", "9000")
    monkeypatch.setenv("CHIASM_MODELS", "bmd, chest")
    monkeypatch.setenv("CHIASM_ARTIFACTS", "/elsewhere")
    assert Settings.load().models == ("bmd", "chest")
    assert Settings.load().artifacts == Path("/elsewhere")
    assert (Settings.load().port, Settings.load(port=1).port) == (9000, 1)


def test_port_is_read_where_ours_is_not_set(monkeypatch):
    assert Settings.load({"PORT": "7000"}).port == 7000
    monkeypatch.setenv("CHIASM_PORT", "9000")
    assert Settings.load({"PORT": "7000", "CHIASM_PORT": "9000"}).port == 9000


@pytest.mark.parametrize("name", ["max_request_bytes", "max_pixels", "max_instances", "max_queue_size", "decode_timeout_s", "shutdown_s"])
@pytest.mark.parametrize("value", [0, -1])
def test_a_limit_cannot_be_zero_or_negative(name, value):
    with pytest.raises(SettingsError, match=PREFIX + name.upper()):
        Settings.load({}, **{name: value})


def test_an_unknown_variable_is_refused_in_one_line():
    with pytest.raises(SettingsError, match="CHIASM_MAX_PIXEL") as refused:
        Settings.load({"CHIASM_MAX_PIXEL": "5"})
    assert "\n" not in str(refused.value)


def test_a_value_of_the_wrong_type_is_refused_in_one_line():
    with pytest.raises(SettingsError, match="CHIASM_PORT: ") as refused:
        Settings.load({}, port="http")
    assert "\n" not in str(refused.value)


def test_every_setting_says_what_it_is():
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name
