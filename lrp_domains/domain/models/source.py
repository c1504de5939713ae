"""Where a model is loaded from: a folder, or a repository on the hub."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .code_refused import code_refused


class NotLookedUpError(OSError):
    """Whether a file exists is unknown: it is not in the cache, and the hub could not be asked."""


@dataclass(frozen=True)
class Source:
    """Where a model is loaded from.

    Attributes
    ----------
    name
        A folder, or a name on the hub.
    options
        What transformers finds files by: ``revision``, ``subfolder``, ``token``, ``cache_dir``, ``local_files_only``.
    trust_remote_code
        Whether code from the folder may be run.
    consent
        The argument by which a user allows that, for messages.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    trust_remote_code: bool = False
    consent: str = "trust_remote_code=True"

    @classmethod
    def of(
        cls, name: object, trust_remote_code: bool, *, consent: str = "trust_remote_code=True", **options: Any
    ) -> "Source":
        """Return where a model is, without the options that are None."""
        given = {key: value for key, value in options.items() if value is not None}
        return cls(str(name), given, trust_remote_code, consent)

    def file(self, name: str) -> Path | None:
        """Return the path of a file, downloaded if it has to be; None if it is missing or can't be looked up."""
        try:
            return self.lookup(name)
        except NotLookedUpError:
            return None

    def lookup(self, name: str) -> Path | None:
        """Return the path of a file, downloaded if it has to be; None if it is missing.

        Raises
        ------
        NotLookedUpError
            The file may exist.
        """
        if self.is_folder:
            path = Path(self.name, self.options.get("subfolder", ""), name)
            return path if path.is_file() else None

        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

        try:
            return Path(hf_hub_download(self.name, name, **self.options))
        except (OSError, ValueError) as error:
            if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
                return None
            if self._is_known_to_be_missing(name):
                return None
            raise NotLookedUpError(f"'{name}' of '{self.name}' could not be looked up") from error

    def _is_known_to_be_missing(self, name: str) -> bool:
        """Return whether an earlier download found that the repository has no such file."""
        from huggingface_hub import _CACHED_NO_EXIST, try_to_load_from_cache

        path = Path(self.options.get("subfolder", ""), name).as_posix()
        where = {option: self.options[option] for option in ("cache_dir", "revision") if option in self.options}
        try:
            return try_to_load_from_cache(self.name, path, **where) is _CACHED_NO_EXIST
        except ValueError:  # the name can't be that of a repository
            return False

    @property
    def is_folder(self) -> bool:
        """Whether the name is that of a folder."""
        return Path(self.name).is_dir()

    def version(self) -> str:
        """Return a string that changes with the files of the model: their sizes and times, or the commit on the hub."""
        where = {option: str(self.options[option]) for option in ("revision", "subfolder") if option in self.options}
        if not self.is_folder:
            from transformers.utils.hub import extract_commit_hash

            paths = [path for name in ("config.json", "adapter_config.json") if (path := self.file(name))]
            return repr((self.name, where, [extract_commit_hash(str(path), None) for path in paths[:1]]))

        folder = Path(self.name)
        files = [(path.relative_to(folder), path.stat()) for path in sorted(folder.rglob("*")) if path.is_file()]
        # Hidden files aren't those of a model; the finished parts of a run in the same folder are hidden.
        files = [(path, stat) for path, stat in files if not any(part.startswith(".") for part in path.parts)]
        return repr((self.name, where, [(str(path), stat.st_size, stat.st_mtime_ns) for path, stat in files]))

    def config(self) -> Any:
        """Return the model's configuration."""
        return self.read("AutoConfig")

    def tokenizer(self, **options: Any) -> Any:
        """Return the tokenizer."""
        return self.read("AutoTokenizer", **options)

    def read(self, auto_class: str, **options: Any) -> Any:
        """Return what a class of transformers reads from files without weights, such as ``"AutoImageProcessor"``."""
        import transformers

        options = {**options, "trust_remote_code": self.trust_remote_code, **self.options}
        with code_refused(self.name, self.consent):
            return getattr(transformers, auto_class).from_pretrained(self.name, **options)
