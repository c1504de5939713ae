"""Where a model is loaded from: a folder, or a repository on the hub."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


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
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    trust_remote_code: bool = False

    @classmethod
    def of(cls, name: object, trust_remote_code: bool, **options: Any) -> "Source":
        """Return where a model is, without the options that are None."""
        return cls(str(name), {key: value for key, value in options.items() if value is not None}, trust_remote_code)

    def file(self, name: str) -> Path | None:
        """Return the path of a file, downloaded if it has to be; None if it is missing."""
        from transformers.utils import cached_file

        if self.is_folder:
            path = Path(self.name, self.options.get("subfolder", ""), name)
            return path if path.is_file() else None
        missing = {"_raise_exceptions_for_missing_entries": False, "_raise_exceptions_for_connection_errors": False}
        try:
            path = cached_file(self.name, name, **self.options, **missing)
        except (OSError, ValueError):
            return None
        return None if path is None else Path(path)

    @property
    def is_folder(self) -> bool:
        """Whether the name is that of a folder."""
        return Path(self.name).is_dir()

    def config(self) -> Any:
        """Return the model's configuration."""
        import transformers

        return transformers.AutoConfig.from_pretrained(
            self.name, trust_remote_code=self.trust_remote_code, **self.options
        )

    def tokenizer(self, **options: Any) -> Any:
        """Return the tokenizer."""
        import transformers

        options = {**options, "trust_remote_code": self.trust_remote_code, **self.options}
        return transformers.AutoTokenizer.from_pretrained(self.name, **options)
