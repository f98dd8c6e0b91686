"""Worlds to drill in: raw tables, requests, features defined once, and a model. One file a world, found by its name."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from inspect import signature
from pathlib import Path
from pkgutil import iter_modules

import numpy as np
import pandas as pd
import platformdirs
import sklearn
import skops.io

from ..features.definitions import Definition, digest, evaluate, knobs_of, reads, turn
from ..load.models import write_model
from ..memory import Memory
from ..origin import stamped
from ..records import Roles, SkewkitError

NAMES = tuple(sorted(m.name for m in iter_modules(__path__) if not m.name.startswith("_")))


TRUSTED = (  # what gradient-boosted trees are made of, and older releases of skops do not know
    "functools.partial",
    "sklearn._loss._loss.CyHalfBinomialLoss",
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn.compose._column_transformer._RemainderColsList",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.utils.validation.check_array",
)


@dataclass(frozen=True)
class Scenario:
    """A world, and its model.

    ``raw`` maps a table's name to events with their ``known`` time; ``requests`` are all that was asked, with key, time
    and label; ``cut`` parts training from serving; ``trusted`` are the types that the saved model may hold.
    """

    name: str
    raw: Mapping[str, pd.DataFrame]
    requests: pd.DataFrame
    definitions: Mapping[str, Definition]
    roles: Roles
    cut: pd.Timestamp
    validation: pd.Timestamp
    fit: Callable
    trusted: tuple[str, ...]
    fingerprint: str  # a hash of the data the world is made of
    task: str = "binary"
    logged: tuple[str, ...] = ()  # columns of the requests that are logged beside the features
    # A drill asks for the same knobs on the same rows at each severity, and a search for many knobs on a few: the newest
    # results are kept, as many as fit beside the sorted events.
    results: Memory = field(default_factory=lambda: Memory(1 << 29, _bytes), repr=False, compare=False)
    lines: Memory = field(default_factory=Memory, repr=False, compare=False)

    @property
    def sha256(self) -> str:
        """The hash of its definitions, which its training table and its model bear, and what serves it is to log."""
        return digest(self.definitions)

    @property
    def model_file(self) -> Path:
        """Where its model is kept, as skops saves it; give ``trusted`` with it."""
        self._make()
        return self._folder / "model.skops"

    def knobs(self, feature: str) -> frozenset[str]:
        """What can be turned in the definition of a feature."""
        return knobs_of(self.definitions[feature]) if feature in self.definitions else frozenset()

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns of the requests as they came in."""
        return tuple(self.requests)

    def source(self, requests: pd.DataFrame) -> pd.DataFrame:
        """These requests as they came in, found by key, on the index of ``requests``."""
        return self._came(requests, list(self.requests)).set_axis(requests.index)

    def asking(self, requests: pd.DataFrame, raw: Mapping[str, pd.DataFrame] | None = None) -> Scenario:
        """The same world asked these requests; of other ``raw`` events, where given."""
        return replace(self, requests=requests, raw=raw or self.raw, results=Memory(1 << 29, _bytes), lines=Memory())

    def _came(self, requests, columns):
        """Some columns of these requests as they came in."""
        at = self._keys.get_indexer(requests[self.roles.key])
        if (at < 0).any():
            raise SkewkitError(f"{self.name} was asked to replay requests it has not; give rows of its own tables")
        return self.requests[columns].take(at)

    @cached_property
    def _keys(self) -> pd.Index:
        return pd.Index(self.requests[self.roles.key])

    def reading(self, columns: tuple[str, ...]) -> tuple[str, ...]:
        """The features that read any of these columns of the requests."""
        return tuple(f for f, d in self.definitions.items() if reads(d) & set(columns))

    def __call__(self, requests: pd.DataFrame, features: tuple[str, ...] = (), source=None, **knobs) -> pd.DataFrame:
        """These features of the requests, found by key, with knobs turned, or from a ``source`` that was changed.

        What knobs give is kept, for a drill asks again at each severity.
        """
        names = tuple(features) or tuple(self.definitions)

        def make():
            turned = {f: turn(self.definitions[f], **knobs) for f in names}
            read = {self.roles.time}.union(*map(reads, turned.values()))
            columns = sorted(read) if read <= set(self.requests) else list(self.requests)  # an error says what there is
            asked = (self._came(requests, columns) if source is None else source).reset_index(drop=True)
            return evaluate(turned, self.raw, asked, self.roles.time, self.lines)

        if source is not None:
            return make().set_axis(requests.index)
        keys = pd.util.hash_array(requests[self.roles.key].to_numpy(), categorize=False)
        mark = (names, str(sorted(knobs.items())), hashlib.sha256(keys.tobytes()).hexdigest())
        return self.results.get(mark, make).set_axis(requests.index)

    @cached_property
    def _folder(self) -> Path:
        """Where this world's features and model are kept, by a hash of all that they depend on."""
        package = Path(__file__).parent.parent
        read = (package / "features" / "definitions.py", package / "scope.py", package / "timeline.py")
        code = "".join(p.read_text() for p in (*read, *sorted(Path(__file__).parent.glob("*.py"))))
        versions = (np.__version__, pd.__version__, sklearn.__version__, skops.__version__)
        text = "|".join((self.fingerprint, digest(self.definitions), code, *versions))
        return cache() / f"{self.name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    @cached_property
    def tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Training, and the served requests as the training code computes them (replayed), both with the model's scores.

        Training's scores are those of the offline validation: of its last part, by a model that had not seen it.
        """
        self._make()
        return tuple(pd.read_parquet(self._folder / f"{n}.parquet") for n in ("training", "replayed"))

    @property
    def model_path(self) -> Path:
        """The fitted model's file, of skops, whose types are ``trusted``."""
        self._make()
        return self._folder / "model.skops"

    @cached_property
    def model(self):
        """The fitted model; it takes a frame of the features and has predict_proba or predict."""
        return skops.io.load(self.model_path, trusted=list(self.trusted))

    def score(self, features: pd.DataFrame) -> np.ndarray:
        """The model's scores of a frame of the features, shape (n,)."""
        return scored(self.model, features[list(self.roles.features)])

    def _make(self):
        """Features and model, computed aside and renamed into place: two that make them at once do no harm."""
        if self._folder.exists():
            return
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=self._folder.parent, prefix=".making-"))
        try:
            keep = [c for c in (*self.roles.others, *self.logged) if c in self.requests]
            features = evaluate(self.definitions, self.raw, self.requests, self.roles.time)
            table = pd.concat(
                [self.requests[list(dict.fromkeys(keep))], features[[f for f in features if f not in keep]]], axis=1
            )
            asked = table[self.roles.time]
            training = table[asked < self.cut].reset_index(drop=True)
            served = table[asked >= self.cut].reset_index(drop=True)
            training, model = self.refit(training, self.validation)
            served[self.roles.prediction] = scored(model, served[list(self.roles.features)])
            stamped(training, definitions=self.sha256).to_parquet(aside / "training.parquet")
            served.to_parquet(aside / "replayed.parquet")
            write_model(model, aside / "model.skops", definitions=self.sha256)
            os.rename(aside, self._folder)
        except OSError:
            if not self._folder.exists():
                raise
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def refit(self, training: pd.DataFrame, validation: pd.Timestamp):
        """The model learnt from a training table, and that table with the scores of its offline validation.

        They are scores of its rows from ``validation`` on, by a model that had not seen them.
        """
        held = training[self.roles.time] >= validation
        before = self._fitted(training[~held])
        scores = np.full(len(training), np.nan)
        scores[held] = scored(before, training.loc[held, list(self.roles.features)])
        return training.assign(**{self.roles.prediction: scores}), self._fitted(training)

    def _fitted(self, table):
        known = table[table[self.roles.label].notna()]
        return self.fit(known[list(self.roles.features)], known[self.roles.label])


def _bytes(frame: pd.DataFrame) -> int:
    return int(frame.memory_usage(index=False).sum())


def scored(model, features: pd.DataFrame) -> np.ndarray:
    """A fitted model's scores, shape (n,)."""
    return model.predict_proba(features)[:, 1] if hasattr(model, "predict_proba") else model.predict(features)


def cache() -> Path:
    """The folder of computed worlds: SKEWKIT_CACHE, or the user's cache folder."""
    return Path(os.environ.get("SKEWKIT_CACHE") or platformdirs.user_cache_path("skewkit"))


_LOADED: dict[str, Scenario] = {}


def scenario(name: str, **parameters) -> Scenario:
    """The world of this name, loaded once a process. A simulated one takes its seed and its size as parameters."""
    if name not in NAMES:
        raise SkewkitError(f"scenario {name!r} was asked; there are {', '.join(NAMES)}")
    mark = f"{name} {sorted(parameters.items())}"
    if mark not in _LOADED:
        make = import_module(f"{__name__}.{name}").world
        if unknown := set(parameters) - set(takes(name)):
            known = ", ".join(takes(name)) or "no parameters"
            raise SkewkitError(f"{name} was given {', '.join(sorted(unknown))}; it takes {known}")
        _LOADED[mark] = make(**parameters)
    return _LOADED[mark]


def takes(name: str) -> tuple[str, ...]:
    """The parameters of a world: none where it is real."""
    return tuple(signature(import_module(f"{__name__}.{name}").world).parameters)
