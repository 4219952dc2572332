import io
import tarfile
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest


@pytest.fixture(scope="session")
def real():
    """The folder of real faces beside the repository."""
    folder = Path(__file__).parents[3] / "shared/data"
    if not folder.is_dir():
        pytest.skip("../shared/data is absent")
    return folder


@pytest.fixture
def jpeg():
    """jpeg(seed) -> bytes of a small picture, another for every seed."""

    def make(seed=0, suffix=".jpg"):
        picture = np.random.default_rng(seed).integers(0, 256, (24, 20, 3), np.uint8)
        if suffix == ".pgm":
            picture = picture[..., 0]
        return cv2.imencode(suffix, picture)[1].tobytes()

    return make


@pytest.fixture
def lay(tmp_path):
    """lay({"a/b.jpg": bytes}, form) -> the path of a folder or archive that holds these files."""

    def folder(entries, name="raw"):
        for path, data in entries.items():
            (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / path).write_bytes(data)
        return tmp_path / name

    def archive(entries, form):
        path = tmp_path / f"raw{form}"
        if form == ".zip":
            with zipfile.ZipFile(path, "w") as file:
                for name, data in entries.items():
                    file.writestr(name, data)
            return path
        with tarfile.open(path, "w:gz" if form.endswith("gz") else "w") as file:
            for name, data in entries.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                file.addfile(member, io.BytesIO(data))
        return path

    return lambda entries, form="folder": folder(entries) if form == "folder" else archive(entries, form)
