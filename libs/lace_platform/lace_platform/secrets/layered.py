"""Several places of secrets as one: what an earlier one has, the later ones are not asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lace_platform.secrets.port import Secret, Secrets
from lace_platform.secrets.sources import DotenvSecrets, EnvironmentSecrets, FolderSecrets


class LayeredSecrets:
    """See lace_platform.secrets.Secrets; the strongest place first."""

    def __init__(self, layers: Sequence[Secrets]) -> None:
        self._layers = tuple(layers)

    def get(self, name: str) -> Secret | None:
        """See lace_platform.secrets.Secrets.get."""
        return next((found for layer in self._layers if (found := layer.get(name))), None)

    def names(self) -> frozenset[str]:
        """See lace_platform.secrets.Secrets.names."""
        return frozenset[str]().union(*(layer.names() for layer in self._layers))

    def version(self) -> int:
        """See lace_platform.secrets.Secrets.version."""
        return sum(layer.version() for layer in self._layers)


def open_secrets(environ: Mapping[str, str], env_file: Path | None, folder: Path | None) -> LayeredSecrets:
    """The folder before the environment before the .env file."""
    layers: list[Secrets] = [FolderSecrets(folder)] if folder else []
    layers.append(EnvironmentSecrets(environ))
    if env_file is not None:
        layers.append(DotenvSecrets(env_file))
    return LayeredSecrets(layers)


class SecretEnvironment(Mapping[str, str]):
    """Variables with the secrets of all places among them, revealed one by one as they are asked for."""

    def __init__(self, environ: Mapping[str, str], secrets: Secrets) -> None:
        self._environ = environ
        self._secrets = secrets

    def __getitem__(self, name: str) -> str:
        secret = self._secrets.get(name)
        return secret.reveal() if secret is not None else self._environ[name]

    def __iter__(self) -> Iterator[str]:
        return iter({*self._environ, *self._secrets.names()})

    def __len__(self) -> int:
        return len({*self._environ, *self._secrets.names()})

    def __repr__(self) -> str:
        return f"SecretEnvironment({len(self)} variables)"
