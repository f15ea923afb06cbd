"""Packs the bundle as the Model Zoo has bundles: a zip with the same bytes whenever it holds the same files."""

import hashlib
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..base.errors import InputError
from ..base.whole_file import refuse_full_or_read_only, whole_file

MANIFEST = "manifest.json"
# The earliest time that a zip can hold.
_TIME = (1980, 1, 1, 0, 0, 0)
_READABLE = 0o644 << 16


@dataclass(frozen=True)
class BundleRelease:
    """Writes `<name>_v<version>.zip` to `output_dir`, all inside one folder `name`.

    It holds what `contents` name of the bundle, files and whole folders, but for what is `left_out`, what is hidden and
    what Python compiled; links are copied as what they lead to. `manifest.json` in it has the SHA-256 of every file.
    """

    bundle_root: str
    output_dir: str
    name: str
    version: str
    contents: Sequence[str]
    left_out: Sequence[str] = ()

    def run(self) -> str:
        """Pack, and return where the zip lies and its own hash."""
        files = {path: path.read_bytes() for path in self._files()}
        root = Path(self.bundle_root)
        packed = {path.relative_to(root).as_posix(): content for path, content in files.items()}
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in packed.items()}
        packed[MANIFEST] = (json.dumps(hashes, indent=2) + "\n").encode()
        target = Path(self.output_dir) / f"{self.name}_v{self.version}.zip"
        with refuse_full_or_read_only(target, "release"), whole_file(target) as partial:
            with zipfile.ZipFile(partial, "w") as archive:
                for name, content in packed.items():
                    entry = zipfile.ZipInfo(f"{self.name}/{name}", _TIME)
                    entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, _READABLE
                    archive.writestr(entry, content)
            sha256 = hashlib.sha256(partial.read_bytes()).hexdigest()
        return f"{target} ({len(packed)} files, SHA-256 {sha256})"

    def _files(self) -> list[Path]:
        """In the order of their names."""
        root, found = Path(self.bundle_root), list[Path]()
        for name in self.contents:
            if not (root / name).exists():
                raise InputError(f"`contents` must name what is in {root}, {name} is not there")
            found += (root / name).rglob("*") if (root / name).is_dir() else [root / name]
        return sorted(path for path in found if path.is_file() and self._belongs(path.relative_to(root)))

    def _belongs(self, path: Path) -> bool:
        hidden = any(part.startswith(".") or part == "__pycache__" for part in path.parts)
        return not hidden and not any(path.is_relative_to(left_out) for left_out in self.left_out)
