"""Merges collected shards into one Minari dataset for each source, and takes episodes out of one.

Minari's own calls describe the dataset; the episodes are written in its layout by `episodes`, which
takes a fraction of the time.
"""

from __future__ import annotations

import copy
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gymnasium
import h5py

from als_engine.system.safe_files import replace_folder
from als_plugins.experience import episodes as files
from als_plugins.experience.episodes import Episode
from als_plugins.experience.records import SourceRecord, data_file
from als_plugins.experience.shards import Shards

__all__ = ["put_together", "take_out"]


def put_together(
    folder: Path, record: SourceRecord, shards: Shards, spaces: tuple[Any, Any]
) -> SourceRecord:
    """Makes one Minari dataset of what a source has already and of its shards.

    Interrupted, it is simply done again: what is recorded in `dataset.json` and the shards stay as
    they are until the new dataset is in its place.

    Returns:
        The record with what there is now.

    Raises:
        SavedFileError: it cannot be written; what was there before still is.
    """
    left_out = Counter(record.left_out)
    left_out.update(shards.left_out.values())
    places = sorted(shards.places)
    done = {episode for episode, _ in places} | set(shards.left_out)
    whole = record.model_copy(
        update={
            "attempted": record.attempted + len(done),
            "episodes": record.episodes + len(places),
            "steps": record.steps + sum(shards.places.values()),
            "left_out": dict(sorted(left_out.items())),
        }
    )
    new = map(shards.episode, places)
    _replace(folder, record, whole, spaces, range(record.episodes), new)
    return whole


def take_out(
    folder: Path,
    record: SourceRecord,
    spaces: tuple[Any, Any],
    goes: Callable[[h5py.Group], bool],
) -> SourceRecord:
    """Writes a source's dataset anew without some of its episodes, which leave no byte behind.

    Args:
        folder: of the dataset.
        record: the source.
        spaces: observation and action space of an avatar.
        goes: whether an episode is left out.

    Returns:
        The record with what there is now.

    Raises:
        SavedFileError: it is damaged, or cannot be written; what was there before still is.
    """
    with _old_episodes(data_file(folder, record.id), record) as old:
        groups = [files.episode_group(old, i) for i in range(record.episodes)]
        kept = [i for i, group in enumerate(groups) if not goes(group)]
        steps = sum(files.read_attribute(groups[i], "total_steps") for i in kept)
    less = record.model_copy(update={"episodes": len(kept), "steps": steps})
    if len(kept) < record.episodes:
        _replace(folder, record, less, spaces, kept, [])
    return less


def _replace(
    folder: Path,
    before: SourceRecord,
    after: SourceRecord,
    spaces: tuple[Any, Any],
    kept: Iterable[int],
    new: Iterable[Episode],
) -> None:
    """Puts a new dataset of a source in the place of the old one, whole or not at all.

    Args:
        folder: of the dataset.
        before: the source as it is.
        after: the source as it will be.
        spaces: observation and action space of an avatar.
        kept: the numbers of the old episodes that stay.
        new: episodes that follow them.
    """
    target = data_file(folder, before.id)

    def fill(place: Path) -> None:
        storage = _new_storage(place / "data", after, spaces)
        with _PatientFile(place / "data" / target.name, "w+b") as file:
            with h5py.File(file, "w", libver="latest", track_order=True) as out:
                number = 0
                with _old_episodes(target, before) as old:
                    for number, was in enumerate(kept, start=1):
                        _copy(old, was, out, number - 1)
                        if file.error is not None:
                            break
                for i, episode in enumerate(new, start=number):
                    if file.error is not None:
                        break
                    files.write(out, i, episode)
            if file.error is not None:
                raise file.error
        storage.update_metadata({"dataset_size": storage.get_size()})

    replace_folder(target.parent.parent, fill)


def _copy(old: h5py.File, was: int, out: h5py.File, number: int) -> None:
    old.copy(f"episode_{was}", out, name=f"episode_{number}")
    if was != number:
        out[f"episode_{number}"].attrs.modify("id", number)


class _PatientFile(io.FileIO):
    """A file that HDF5 writes to without ever hearing that the disk is full.

    When a write fails, HDF5 keeps the file half open, tries again at every turn, and in the end
    takes the process with it. So this file says that all is well and keeps the error for us.

    Attributes:
        error: the first one, to be raised once HDF5 has closed the file.
    """

    error: BaseException | None = None

    def write(self, data: Any) -> int:
        """Writes all of it, or nothing more once something went wrong."""
        left = memoryview(data).cast("B")
        size = len(left)
        try:
            while self.error is None and len(left):
                left = left[super().write(left) :]
        # Ctrl-C as well: HDF5 would lose it.
        except BaseException as error:
            self.error = error
        return size

    def truncate(self, size: int | None = None) -> int:
        """Sets the length, unless something went wrong."""
        try:
            return super().truncate(size) if self.error is None else size or 0
        except BaseException as error:
            self.error = error
            return size or 0


@contextmanager
def _old_episodes(data: Path, record: SourceRecord) -> Iterator[Any]:
    """The episodes that a source has already; None where it has none."""
    if record.episodes:
        with files.episode_file(data) as file:
            yield file
    else:
        yield None


def _new_storage(data: Path, record: SourceRecord, spaces: tuple[Any, Any]) -> Any:
    """Lets Minari describe the dataset, in its own words and of its own version."""
    import minari
    from minari.dataset.minari_storage import MinariStorage

    observations, actions = spaces
    stored = gymnasium.spaces.Dict(
        {files.stored(key): space for key, space in observations.spaces.items()}
    )
    storage = MinariStorage.new(
        data,
        observation_space=stored,
        action_space=actions,
        env_spec=_env_spec(record),
        jpeg_encoding=False,  # It loses what small signs say.
    )
    storage.update_metadata(
        {
            "dataset_id": record.id,
            "minari_version": minari.__version__,
            "algorithm_name": record.policy,
            "description": f"{record.scenario}, {record.split} split, collected by ALS Engine.",
            "total_episodes": record.episodes,
            "total_steps": record.steps,
        }
    )
    return storage


def _env_spec(record: SourceRecord) -> Any:
    """What `gymnasium.make` needs to make the environment again."""
    known = gymnasium.registry.get(record.scenario)
    if known is None:
        return None
    spec = copy.deepcopy(known)
    spec.kwargs = {**spec.kwargs, **record.arguments, "split": record.split}
    return spec
