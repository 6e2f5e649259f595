"""Accounts and signatures: hidden from settings, found again when an address is opened."""

import json
import os
import stat

import pytest

from rsweep.core.accounts import hide_accounts, reveal, split_account, with_account
from rsweep.core.redact import without_secrets

SECRET = "https://alice:HUNTER2@cat.org/v1/catalog.json?sig=S1GN&x=1"
PLAIN = "https://cat.org/v1/catalog.json"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


def test_a_study_has_plain_addresses_which_open_as_they_were(cache):
    config = {
        "base": {"stac": {"url": SECRET}, "bands": ["B4"], "scale_m": 10},
        "sweep": [{"weights": [SECRET.replace("cat", "w"), "random"]}],
        "study": "a?b=c",
    }
    hidden = hide_accounts(config)
    assert "HUNTER2" not in json.dumps(hidden)
    assert "S1GN" not in json.dumps(hidden)
    assert hidden["base"] == {"stac": {"url": PLAIN}, "bands": ["B4"], "scale_m": 10}
    assert hidden["study"] == "a?b=c"
    assert reveal(PLAIN) == SECRET
    assert reveal(hidden["sweep"][0]["weights"][0]) == SECRET.replace("cat", "w")
    assert reveal("https://elsewhere.org") == "https://elsewhere.org"
    for path in (cache / "rsweep/accounts").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert hide_accounts(hidden) == hidden
    assert reveal(PLAIN) == PLAIN  # a study that names no account has none


def test_studies_of_other_folders_have_their_own(tmp_path, monkeypatch):
    hide_accounts(SECRET)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert reveal(PLAIN) == PLAIN


def test_an_account_goes_to_its_own_host_alone():
    assert with_account("https://cat.org/search", SECRET) == "https://alice:HUNTER2@cat.org/search"
    for other in ("https://evil.org/search", "http://cat.org/search", "https://cat.org:8443/s"):
        assert with_account(other, SECRET) == other
    assert with_account("https://cat.org/search", PLAIN) == "https://cat.org/search"


def test_an_account_becomes_a_header():
    assert split_account(SECRET) == (
        SECRET.replace("alice:HUNTER2@", ""),
        "Basic YWxpY2U6SFVOVEVSMg==",
    )
    assert split_account(PLAIN) == (PLAIN, "")


def test_errors_of_clients_are_told_without_either():
    text = (
        f"HTTPSConnectionPool(host='cat.org', port=443): Max retries exceeded with url: "
        f"/v1/a.tif?sig=S1GN (Caused by X) for {SECRET}"
    )
    told = without_secrets(text)
    assert "S1GN" not in told
    assert "HUNTER2" not in told
    assert "/v1/a.tif" in told


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_that_cannot_be_written(cache):
    cache.mkdir(mode=0o500)
    assert hide_accounts(PLAIN) == PLAIN
