"""Where weights come from: this machine, the hub, a URL."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from huggingface_hub import (
    constants,
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
    try_to_load_from_cache,
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from rsweep.core.digests import sha256_file
from rsweep.core.errors import RsweepError, TransientError, WeightsError
from rsweep.core.files import REFUSALS
from rsweep.models.card import Checkpoint
from rsweep.models.pins import Pin, checkpoint_name
from rsweep.models.transfer import PASSING, attempts, fetch

ABSENT = (
    "not on this machine; the rule `weights` fetches it before inference, and `rsweep weights "
    "STUDY` does at once"
)
SHA256 = re.compile(r"[0-9a-f]{64}")


def weights_folder() -> Path:
    """Where weights that are not the hub's are kept, and where a person may put any by hand."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "rsweep" / "weights"


def fetch_published(checkpoint: Checkpoint, commit: str | None = None) -> Path:
    """Fetch a card's checkpoint unless this machine has it.

    Args:
        checkpoint: which one.
        commit: that of its repository which it is pinned to, if it is.

    Raises:
        WeightsError: it is not to be had; the text says which file to put where.
        TransientError: it cannot be fetched now, which may pass.
    """
    if checkpoint.url:
        return url_file(checkpoint.url, checkpoint.sha256)[0]
    by_hand = _by_hand(checkpoint)
    if by_hand.is_file():
        return by_hand
    return _from_hub(replace(checkpoint, revision=commit or checkpoint.revision))


def resolve(checkpoint: Checkpoint) -> Pin | None:
    """What a checkpoint is now: by the file on this machine, or by what the hub says of it.

    None if only fetching it would tell, as of a URL.

    Raises:
        WeightsError, TransientError: the hub cannot be asked, or does not have it.
    """
    try:
        _, record = published_file(checkpoint)
        return Pin(record["sha256"], record.get("commit"))
    except WeightsError:
        if checkpoint.url:
            return None
    metadata = _ask(checkpoint)
    known = SHA256.fullmatch(metadata.etag)  # small files are named by something else
    return Pin(metadata.etag, metadata.commit_hash) if known else None


def published_file(
    checkpoint: Checkpoint, sha256: str | None = None
) -> tuple[Path, dict[str, Any]]:
    """A card's checkpoint on this machine, and what to record of it; nothing is fetched.

    Args:
        checkpoint: which one.
        sha256: that of its content which it is pinned to, if it is.

    Raises:
        WeightsError: it is not here, or is damaged.
    """
    record: dict[str, Any] = {"source": "pretrained"}
    if checkpoint.url:
        path = url_place(checkpoint.url, checkpoint.sha256)
        digest = check_cached(_required(path, checkpoint), checkpoint.sha256)
        return path, record | {"url": checkpoint.url, "sha256": digest}
    record |= {"repository": checkpoint.repository, "revision": checkpoint.revision}
    path = _by_hand(checkpoint)
    if path.is_file():
        return path, record | {"sha256": sha256_file(path)}
    found = _cached(checkpoint, sha256)
    path = _required(found, checkpoint)
    blob = path.resolve().name  # large files are named by their content
    digest = check_cached(path, blob if SHA256.fullmatch(blob) else None)
    commit = path.parts[path.parts.index("snapshots") + 1]
    return path, record | {"commit": commit, "sha256": digest}


def _by_hand(checkpoint: Checkpoint) -> Path:
    return weights_folder() / checkpoint.repository / checkpoint.revision / checkpoint.file


def url_file(url: str, sha256: str | None) -> tuple[Path, str]:
    """The file at a URL, from this machine's cache or fetched; and its sha256.

    Raises:
        WeightsError: it is not to be had, or is not what its sha256 says.
        TransientError: it cannot be fetched now, which may pass.
    """
    target = url_place(url, sha256)
    if not target.is_file():
        try:
            fetch(url, target, sha256)
        except TransientError as error:
            raise TransientError(f"{error}; or put the file at {target} by hand") from error
    return target, check_cached(target, sha256)


def url_place(url: str, sha256: str | None) -> Path:
    """Where the file of a URL is kept."""
    name = PurePosixPath(urlsplit(url).path).name or "weights"
    folder = sha256 or hashlib.sha256(url.encode()).hexdigest()[:16]
    return weights_folder() / "url" / folder / name


def _required(path: Path | None, checkpoint: Checkpoint) -> Path:
    if path is not None and path.is_file():
        return path
    raise WeightsError(f"{checkpoint_name(checkpoint)}: {ABSENT}")


def check_cached(path: Path, expected: str | None) -> str:
    """The sha256 of a file of a cache, which is removed if it is not what it was fetched as.

    Raises:
        WeightsError: it is not.
    """
    found = sha256_file(path)
    if expected in (None, found):
        return found
    what = f"expected sha256 {expected}, found {found} ({path.stat().st_size} bytes)"
    try:
        path.resolve().unlink()
    except OSError as error:
        raise WeightsError(f"{path}: truncated or altered: {what}; remove it ({error})") from None
    raise WeightsError(
        f"{path}: was truncated or altered, and is removed: {what}; run again to fetch it anew"
    )


def _from_hub(checkpoint: Checkpoint) -> Path:
    """The hub's file, from the hub's own cache, or fetched into it."""
    cached = _cached(checkpoint, None)
    if cached is not None:
        return cached
    _ask(checkpoint)
    for _ in attempts():
        try:
            return Path(
                hf_hub_download(
                    checkpoint.repository, checkpoint.file, revision=checkpoint.revision
                )
            )
        except Exception as error:  # the HTTP library below, and so its errors, differ by version
            last = error
            if isinstance(error, OSError) and error.errno in REFUSALS:
                raise WeightsError(
                    f"{constants.HF_HUB_CACHE}: cannot be written: {error}"
                ) from error
    raise TransientError(
        f"{constants.ENDPOINT}/{checkpoint.repository}, file {checkpoint.file}: "
        f"cannot be fetched now ({last})"
    ) from last


def _cached(checkpoint: Checkpoint, sha256: str | None) -> Path | None:
    """The hub's file in the hub's cache: of the revision, or of any commit with that content."""
    found = try_to_load_from_cache(
        checkpoint.repository, checkpoint.file, revision=checkpoint.revision
    )
    path = Path(found) if isinstance(found, str) and Path(found).exists() else None
    if sha256 is None or (path and path.resolve().name == sha256):
        return path
    folder = Path(constants.HF_HUB_CACHE) / f"models--{checkpoint.repository.replace('/', '--')}"
    others = folder.glob(f"snapshots/*/{checkpoint.file}")
    return next((other for other in others if other.resolve().name == sha256), path)


def _ask(checkpoint: Checkpoint) -> Any:
    """What the hub says of a file: where it is, and its digest."""
    url = hf_hub_url(checkpoint.repository, checkpoint.file, revision=checkpoint.revision)
    try:
        metadata = get_hf_file_metadata(url)
    except Exception as error:  # the HTTP library below, and so its errors, differ by version
        raise _explain(error, checkpoint) from error
    if metadata.etag is None or metadata.commit_hash is None:
        raise WeightsError(
            f"{url}: answered by something that is no hub; HF_ENDPOINT is {constants.ENDPOINT}"
        )
    return metadata


def _explain(error: Exception, checkpoint: Checkpoint) -> RsweepError:
    """What a failure to ask the hub means, and who can fix it."""
    where = f"{constants.ENDPOINT}/{checkpoint.repository}"
    page = f"{where}, file {checkpoint.file}, revision {checkpoint.revision}"
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    if isinstance(error, GatedRepoError):
        return WeightsError(
            f"{page}: the repository is gated ({status}): accept its licence at "
            f"{where} and log in (`hf auth login`, or HF_TOKEN)"
        )
    if isinstance(error, (EntryNotFoundError, RevisionNotFoundError)):
        return WeightsError(f"{page}: there is no such file or revision ({status})")
    if isinstance(error, RepositoryNotFoundError) or status in (401, 403):
        return WeightsError(
            f"{page}: refused ({status}): there is no such repository, or it is "
            "private: log in (`hf auth login`, or HF_TOKEN)"
        )
    if status is not None and (status in PASSING or status >= 500):
        return TransientError(f"{page}: the hub answers {status}")
    return WeightsError(
        f"{page}: not cached, and the hub cannot be reached ({error}). Fetch "
        f"{where}/resolve/{checkpoint.revision}/{checkpoint.file} where there is a network, and "
        f"put it at {_by_hand(checkpoint)}, or name its path as `weights`"
    )
