from __future__ import annotations

import argparse
import hashlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save
from torch import nn

from rsweep.core.errors import RsweepError, TransientError, WeightsError
from rsweep.jobs.weights import fetch_one, fetched
from rsweep.models import download, transfer
from rsweep.models.card import Checkpoint, Variant
from rsweep.models.dofa import card as dofa
from rsweep.models.dofa.network import position_table
from rsweep.models.initialize import draw, initialize
from rsweep.models.pins import Pin, add_pins, read_pins
from rsweep.models.scalemae.card import CARD
from rsweep.models.weights import (
    CONTAINERS,
    fetch_weights,
    load_embedder,
    load_strictly,
    read_state,
)
from rsweep.plan.nodes import build_nodes
from rsweep.plan.pinning import pin_weights
from rsweep.plan.profiles import resolve

sys.path.insert(0, str(Path(__file__).parents[2] / "standins"))
from hub_server import COMMIT, Fault, HubServer

REPOSITORY, FILE = "MVRL/scalemae-vitlarge-800", "model.safetensors"


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    checkpoint = Checkpoint(REPOSITORY, FILE)
    monkeypatch.setitem(CARD.variants, "large", Variant(64, 3, 4, 0.1, checkpoint))
    monkeypatch.setattr(transfer, "PAUSE_S", 0.0)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    with HubServer() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(
            constants,
            "HUGGINGFACE_CO_URL_TEMPLATE",
            server.url + "/{repo_id}/resolve/{revision}/{filename}",
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield server


def settings(weights, **own):
    """An inference node's settings, as a job reads them."""
    resolved, errors = resolve({"model": "scalemae", "weights": weights, **own}, {})
    assert not errors
    return dict(build_nodes(resolved).inputs["tokens"].settings)


def load(weights, **own):
    """A network as a study gets it: its weights are fetched first, and inference reads them."""
    node, options = settings(weights, **own), {"weights": weights}
    if weights != "random":
        fetch_weights(node, options)
    return load_embedder(node, options)


def published(seed=3) -> bytes:
    embedder, _ = load("random", seed=seed)
    return save(embedder.network.state_dict())


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# Random weights

SCRIPT = """
import torch
from rsweep.models.card import Variant
from rsweep.models.scalemae.card import CARD
from rsweep.models.weights import load_embedder
CARD.variants["large"] = Variant(64, 3, 4, 0.1)
torch.manual_seed({torch_seed})
bands = {{"s2": ["B4", "B3", "B2"]}}
settings = {{"model": "scalemae", "variant": "large", "weights": "random", "seed": 5,
            "layer": "last", "final_norm": True, "bands": bands}}
network = load_embedder(settings, {{"weights": "random"}})[0].network
import hashlib
print(hashlib.sha256(b"".join(t.numpy().tobytes() for t in network.state_dict().values()))
      .hexdigest())
"""


def test_random_weights_are_the_same_in_every_process():
    def run(seed):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT.format(torch_seed=seed)],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    assert run(1) == run(2)


def test_random_values_are_pinned():
    values = draw(7, "blocks.0.attn.qkv.weight", (2, 2), 1.0)
    assert [f"{v:.6f}" for v in values.ravel()] == PINNED


PINNED = ["0.990706", "1.618948", "1.265305", "-0.642337"]


def test_random_weights_depend_on_seed_and_name_and_not_on_the_order_of_building():
    class Net(nn.Module):
        def __init__(self, names):
            super().__init__()
            for name in names:
                self.add_module(name, nn.Linear(8, 8))

    one, two = Net("ab"), Net("ba")
    initialize(one, 1)
    initialize(two, 1)
    assert torch.equal(one.a.weight, two.a.weight)
    assert not torch.equal(one.a.weight, one.b.weight)
    initialize(two, 2)
    assert not torch.equal(one.a.weight, two.a.weight)


def test_random_weights_have_sane_scales_and_leave_fixed_tables():
    network = nn.Sequential(
        nn.Conv2d(16, 64, 5),
        nn.BatchNorm2d(64),
        nn.Linear(400, 300),
        nn.Embedding(50, 60),
        nn.LayerNorm(300),
    )
    network.table = nn.Parameter(torch.full((3, 3), 7.0), requires_grad=False)
    network.token = nn.Parameter(torch.zeros(1, 1, 4096))
    nn.init.normal_(network[4].weight)
    initialize(network, 0)
    assert network[0].weight.std().item() == pytest.approx(1 / 20, rel=0.05)
    assert network[2].weight.std().item() == pytest.approx(1 / 20, rel=0.05)
    assert network[3].weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert network.token.std().item() == pytest.approx(0.02, rel=0.1)
    assert (network[4].weight == 1).all()
    assert (network[0].bias == 0).all()
    assert (network.table == 7).all()
    assert (network[1].running_var == 1).all()


def test_fixed_tables_of_a_model_survive_random_weights(monkeypatch):
    monkeypatch.setitem(dofa.CARD.variants, "base", Variant(64, 2, 4, 0.1))
    resolved, _ = resolve({"model": "dofa", "weights": "random"}, {})
    node = build_nodes(resolved).inputs["tokens"]
    network = load_embedder(node.settings, {"weights": "random"})[0].network
    assert torch.equal(network.pos_embed, position_table(64))


# Reading and fitting


def test_a_file_is_loaded_and_recorded(tmp_path):
    path = tmp_path / "own.safetensors"
    path.write_bytes(published(seed=3))
    embedder, record = load(str(path))
    assert record == {"source": "file", "file": str(path), "sha256": digest(path.read_bytes())}
    expected = load("random", seed=3)[0].network.state_dict()
    for key, tensor in embedder.network.state_dict().items():
        assert torch.equal(tensor, expected[key])
    assert not any(p.requires_grad for p in embedder.network.parameters())


def test_a_file_that_changed_since_planning_is_refused(tmp_path):
    path = tmp_path / "own.safetensors"
    path.write_bytes(published())
    node = settings(str(path))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsError, match=r"own.safetensors: .*expected sha256 .*, found .*bytes"):
        load_embedder(node, {"weights": str(path)})


@pytest.mark.parametrize("container", [*CONTAINERS, None])
@pytest.mark.parametrize("legacy", [False, True])
def test_containers_are_opened(tmp_path, container, legacy):
    state = {"a": torch.ones(2), "b": torch.zeros(3)}
    path = tmp_path / "c.pth"
    torch.save(
        {container: state, "epoch": 3} if container else state,
        path,
        _use_new_zipfile_serialization=not legacy,
    )
    assert {k: t.tolist() for k, t in read_state(path).items()} == {"a": [1, 1], "b": [0, 0, 0]}


@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_checkpoint_is_refused(tmp_path, kind, share):
    state = {"a": torch.ones(100, 100), "b": torch.zeros(3)}
    if kind == "safetensors":
        data = save(state)
    else:
        buffer = io.BytesIO()
        torch.save(state, buffer, _use_new_zipfile_serialization=kind == "zip")
        data = buffer.getvalue()
    path = tmp_path / f"cut.{'safetensors' if kind == 'safetensors' else 'pth'}"
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(WeightsError, match=rf"cut\.{path.suffix[1:]}: .*truncated"):
        read_state(path)


class Shell:
    def __reduce__(self):
        return os.system, ("touch /tmp/rsweep_was_here",)


def test_a_pickle_with_code_is_refused(tmp_path):
    path = tmp_path / "evil.pth"
    torch.save({"model": {"a": torch.ones(1)}, "args": Shell()}, path)
    with pytest.raises(WeightsError, match=r"refused.*posix.system.*could run code"):
        read_state(path)
    assert not Path("/tmp/rsweep_was_here").exists()


def test_the_arguments_of_a_training_script_are_no_code(tmp_path):
    path = tmp_path / "mae.pth"
    torch.save({"model": {"a": torch.ones(1)}, "args": argparse.Namespace(lr=1e-3)}, path)
    assert list(read_state(path)) == ["a"]


@pytest.mark.parametrize("content", [{"epoch": 3}, [1, 2]])
def test_a_file_without_tensors_is_refused(tmp_path, content):
    path = tmp_path / "x.pth"
    torch.save(content, path)
    with pytest.raises(
        WeightsError, match=r"expected tensors by name, found (entries epoch|a list)"
    ):
        read_state(path)


def test_misfits_are_listed_and_counted():
    network = nn.Sequential(*[nn.Linear(2, 2) for _ in range(5)])
    state = {k: t for k, t in network.state_dict().items() if int(k[0]) < 1}
    state |= {"0.weight": torch.ones(3, 2), "head.weight": torch.ones(1)}
    with pytest.raises(WeightsError) as raised:
        load_strictly(network, state, Path("f.pth"))
    text = str(raised.value)
    assert "8 missing: 1.weight, 1.bias, 2.weight, 2.bias, 3.weight, …" in text
    assert "1 unexpected: head.weight" in text
    assert "1 of the wrong shape: 0.weight (expected [2, 2], found [3, 2])" in text


# The hub


def test_pretrained_is_fetched_once_and_then_found_without_the_hub(hub, monkeypatch):
    data = published(seed=4)
    hub.repositories[REPOSITORY] = {FILE: data}
    embedder, record = load("pretrained")
    assert record["source"] == "pretrained"
    assert record["sha256"] == digest(data)
    assert (record["repository"], record["revision"], record["commit"]) == (
        REPOSITORY,
        "main",
        COMMIT,
    )
    expected = load("random", seed=4)[0].network.state_dict()
    assert torch.equal(embedder.network.state_dict()["cls_token"], expected["cls_token"])
    asked = len(hub.requests)
    hub.repositories.clear()
    assert load("pretrained")[1] == record
    assert len(hub.requests) == asked
    assert len(hub.downloads()) == 1


def test_what_huggingface_hub_has_cached_is_used(hub):
    from huggingface_hub import hf_hub_download

    hub.repositories[REPOSITORY] = {FILE: published()}
    path = hf_hub_download(REPOSITORY, FILE)
    asked = len(hub.requests)
    assert load("pretrained")[1]["file"] == path
    assert len(hub.requests) == asked


def test_a_dropped_connection_is_taken_up_again(hub):
    data = published()
    hub.repositories[REPOSITORY] = {FILE: data}
    hub.faults.append(Fault(cut_after=1000, times=2))
    assert load("pretrained")[1]["sha256"] == digest(data)


def test_a_hub_in_trouble_is_tried_again_and_then_said(hub):
    data = published()
    hub.repositories[REPOSITORY] = {FILE: data}
    hub.faults += [Fault(status=503)]
    with pytest.raises(TransientError, match=rf"{REPOSITORY}, file {FILE}: cannot be fetched now"):
        load("pretrained")
    hub.faults.clear()
    assert load("pretrained")[1]["sha256"] == digest(data)


def test_a_damaged_file_of_the_cache_is_refused_and_then_fetched_anew(hub):
    data = published()
    hub.repositories[REPOSITORY] = {FILE: data}
    blob = Path(load("pretrained")[1]["file"]).resolve()
    blob.write_bytes(data[:-1])
    with pytest.raises(WeightsError, match=rf"altered.*removed.*{digest(data)}"):
        load("pretrained")
    assert load("pretrained")[1]["sha256"] == digest(data)


def test_a_file_that_is_not_the_cards_is_refused(hub, monkeypatch):
    checkpoint = Checkpoint(REPOSITORY, FILE, sha256="0" * 64)
    monkeypatch.setitem(CARD.variants, "large", Variant(64, 3, 4, 0.1, checkpoint))
    hub.repositories[REPOSITORY] = {FILE: published()}
    with pytest.raises(WeightsError, match=f"expected sha256 {'0' * 64}, found"):
        load("pretrained")


def test_a_gated_repository_says_what_to_do(hub, monkeypatch):
    hub.repositories[REPOSITORY] = {FILE: published()}
    hub.gated.add(REPOSITORY)
    with pytest.raises(WeightsError, match=r"gated \(401\).*accept its licence.*log in"):
        load("pretrained")
    monkeypatch.setenv("HF_TOKEN", hub.token)
    assert load("pretrained")[1]["commit"] == COMMIT


@pytest.mark.parametrize("files", [None, {"other.bin": b"x"}])
def test_what_the_hub_does_not_have_is_named(hub, files):
    if files:
        hub.repositories[REPOSITORY] = files
    with pytest.raises(WeightsError, match=rf"{REPOSITORY}, file {FILE}.*there is no such"):
        load("pretrained")


def test_offline_with_nothing_cached_says_which_file_to_put_where(hub, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match=f"{REPOSITORY}/resolve/main/{FILE}") as raised:
        load("pretrained")
    place = tmp_path / "xdg" / "rsweep" / "weights" / REPOSITORY / "main" / FILE
    assert f"put it at {place}" in str(raised.value)
    place.parent.mkdir(parents=True)
    place.write_bytes(published())
    assert load("pretrained")[1]["file"] == str(place)
    assert not hub.requests


def test_a_hub_that_cannot_be_reached_is_offline(hub, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(
        constants,
        "HUGGINGFACE_CO_URL_TEMPLATE",
        "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}",
    )
    with pytest.raises(WeightsError, match="not cached, and the hub cannot be reached"):
        load("pretrained")


# Plain URLs


def test_a_url_is_fetched_verified_and_cached(hub):
    data = published()
    hub.files["own.safetensors"] = data
    url = f"{hub.url}/files/own.safetensors"
    record = load(url, weights_sha256=digest(data))[1]
    assert (record["source"], record["url"], record["sha256"]) == ("url", url, digest(data))
    hub.files.clear()
    assert load(url, weights_sha256=digest(data))[1] == record
    assert len(hub.requests) == 1


def test_a_dropped_connection_is_no_short_file(hub):
    data = os.urandom(200_000)
    hub.files["w.bin"] = data
    hub.faults += [Fault(cut_after=1000, times=2)]
    path, found = download.url_file(f"{hub.url}/files/w.bin", None)  # of no known digest
    assert path.read_bytes() == data
    assert found == digest(data)


def test_a_wrong_hash_leaves_nothing_behind(hub, tmp_path):
    hub.files["w.bin"] = b"something else"
    with pytest.raises(WeightsError, match=f"not the expected file.*expected sha256 {'a' * 64}"):
        download.url_file(f"{hub.url}/files/w.bin", "a" * 64)
    left = [p.name for p in (tmp_path / "xdg").rglob("*") if p.is_file()]
    assert left == []


@pytest.mark.parametrize("status,match", [(404, "no such file"), (403, "login"), (418, "418")])
def test_a_refusal_is_for_good(hub, status, match):
    hub.files["w.bin"] = b"data"
    hub.faults.append(Fault(status=status))
    with pytest.raises(WeightsError, match=match):
        download.url_file(f"{hub.url}/files/w.bin", "a" * 64)
    assert len(hub.requests) == 1


def test_a_server_in_trouble_is_tried_again(hub):
    hub.files["w.bin"] = b"data"
    hub.faults += [Fault(status=503, times=2)]
    assert download.url_file(f"{hub.url}/files/w.bin", None)[0].read_bytes() == b"data"


def test_a_url_out_of_reach_says_where_the_file_may_be_put(hub, tmp_path):
    with pytest.raises(TransientError, match=rf"put the file at {tmp_path}/xdg/rsweep/weights/url"):
        download.url_file("http://127.0.0.1:9/w.bin", None)


def test_a_cache_that_cannot_be_written_is_no_failure_of_the_network(hub, tmp_path, monkeypatch):
    hub.files["w.bin"] = b"data"
    (tmp_path / "taken").write_text("a file, not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "taken"))
    with pytest.raises(WeightsError, match=r"taken/rsweep.*cannot be written"):
        download.url_file(f"{hub.url}/files/w.bin", None)


FETCHERS = """
import sys
from rsweep.models.card import Checkpoint
from rsweep.models.download import fetch_published, published_file, url_file
assert "torch" not in sys.modules
checkpoint = Checkpoint("org/name", "model.bin")
fetch_published(checkpoint)
print(published_file(checkpoint)[1]["sha256"])
print(url_file(sys.argv[1] + "/files/w.bin", None)[1])
"""


def test_two_processes_download_once(hub, tmp_path):
    data = os.urandom(3_000_000)
    hub.repositories["org/name"] = {"model.bin": data}
    hub.files["w.bin"] = data
    env = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "home"),
        "XDG_CACHE_HOME": str(tmp_path / "both"),
    }
    command = [sys.executable, "-c", FETCHERS, hub.url]
    both = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) for _ in "ab"]
    assert [p.communicate(timeout=60)[0].split() for p in both] == [[digest(data)] * 2] * 2
    assert len(hub.downloads()) == 2  # one of the hub's file, one of the URL's


def test_inference_downloads_nothing(hub):
    hub.repositories[REPOSITORY] = {FILE: published()}
    hub.files["own.safetensors"] = published()
    with pytest.raises(WeightsError, match=f"{REPOSITORY}@main/{FILE}: not on this machine"):
        load_embedder(settings("pretrained"), {"weights": "pretrained"})
    url = f"{hub.url}/files/own.safetensors"
    with pytest.raises(WeightsError, match=r"own\.safetensors: not on this machine"):
        load_embedder(settings(url, weights_sha256="a" * 64), {"weights": url})
    assert not hub.requests


def test_a_pinned_checkpoint_is_read_by_content_whatever_the_branch_is_now(hub, tmp_path):
    data, moved = published(seed=4), published(seed=5)
    hub.repositories[REPOSITORY] = {FILE: data}
    pinned = settings("pretrained", weights_sha256=digest(data))
    assert pinned["sha256"] == digest(data)
    fetch_weights(pinned, {"weights": "pretrained"}, COMMIT)
    folder = tmp_path / "hf/hub" / f"models--{REPOSITORY.replace('/', '--')}"
    (folder / "blobs" / digest(moved)).write_bytes(moved)
    other = folder / "snapshots" / ("d" * 40) / FILE
    other.parent.mkdir()
    other.symlink_to(folder / "blobs" / digest(moved))
    (folder / "refs").mkdir(exist_ok=True)
    (folder / "refs/main").write_text("d" * 40)
    assert load_embedder(pinned, {"weights": "pretrained"})[1]["sha256"] == digest(data)
    assert load("pretrained")[1]["sha256"] == digest(moved)


def test_a_checkpoint_that_is_another_now_is_refused_by_name(hub, tmp_path):
    hub.repositories[REPOSITORY] = {FILE: published(seed=5)}
    pinned = settings("pretrained", weights_sha256="b" * 64)
    with pytest.raises(WeightsError, match=rf"{REPOSITORY}@main/{FILE}.*expected sha256 b{{64}}"):
        fetch_weights(pinned, {"weights": "pretrained"})


# Pins


def pinned_study(tmp_path, **more):
    from rsweep.plan.study import make_study

    (tmp_path / "rois.csv").write_text("id,lon,lat,buffer_m\na,11,48,300\n")
    return make_study(
        {
            "study": "s",
            "rois": str(tmp_path / "rois.csv"),
            "results": str(tmp_path / "results"),
            "temporal": {"start": "2022-06-01", "end": "2022-07-01"},
            "base": {"model": "scalemae"},
            **more,
        },
        "study",
    )


def infer_settings(study):
    return study.profiles[0].node.inputs["tokens"].settings


def test_a_study_pins_what_the_hub_has_and_keys_hold_it_before_anything_is_fetched(hub, tmp_path):
    data = published()
    hub.repositories[REPOSITORY] = {FILE: data}
    first = pinned_study(tmp_path)
    assert infer_settings(first)["revision"] == "main"
    assert pin_weights(first)
    assert not hub.downloads()  # asking transfers no file
    study = pinned_study(tmp_path)
    assert infer_settings(study)["sha256"] == digest(data)
    assert study.pins() == {f"{REPOSITORY}@main/{FILE}": Pin(digest(data), COMMIT)}
    hub.repositories[REPOSITORY] = {FILE: published(seed=9)}  # the branch moves
    assert not pin_weights(study)
    assert pinned_study(tmp_path).profiles[0].node.key == study.profiles[0].node.key
    ((_, node, options),) = fetched(study)
    with pytest.raises(WeightsError, match=rf"{REPOSITORY}.*expected sha256 {digest(data)}"):
        fetch_one(study, node, options)


def test_without_the_hub_a_study_is_planned_by_name(hub, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    study = pinned_study(tmp_path)
    assert not pin_weights(study)
    assert "sha256" not in infer_settings(pinned_study(tmp_path))


def test_a_frozen_study_goes_by_its_lock_and_not_by_the_store(hub, tmp_path):
    import json

    lock = tmp_path / "study.lock.json"
    pin = {f"{REPOSITORY}@main/{FILE}": {"sha256": "c" * 64, "commit": COMMIT}}
    lock.write_text(json.dumps({"pins": pin}))
    study = pinned_study(tmp_path, frozen=True, lock=str(lock))
    assert infer_settings(study)["sha256"] == "c" * 64
    hub.repositories[REPOSITORY] = {FILE: published()}
    ((_, node, options),) = fetched(study)
    with pytest.raises(WeightsError, match=f"{REPOSITORY}@main/{FILE}.*{'c' * 64}"):
        fetch_one(study, node, options)


def test_a_damaged_table_is_said_so(tmp_path):
    (tmp_path / "weights.json").write_text('{"a": 1}')
    with pytest.raises(RsweepError, match=r"weights.json: is no table of weights"):
        read_pins(tmp_path / "weights.json")


def test_the_first_pin_stays(tmp_path):
    path = tmp_path / "weights.json"
    add_pins(path, {"one": Pin("a" * 64)})
    add_pins(path, {"one": Pin("b" * 64), "two": Pin("c" * 64, COMMIT)})
    assert read_pins(path) == {"one": Pin("a" * 64), "two": Pin("c" * 64, COMMIT)}


def test_planning_and_importing_fetch_nothing(hub):
    settings("pretrained")
    assert not hub.requests
