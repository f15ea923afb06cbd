"""The server of MONAI Label, with its app for bundles as it comes, harmonizes with the release."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import zlib
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path

import nibabel
import numpy as np
import pytest

pytestmark = pytest.mark.slow

BUNDLE = Path(__file__).parents[1]
NAME = "brain_mri_harmonization"
# Voxels of 3 mm, axes in another order than those of the working grid; a cube of 75 mm is a twentieth of that.
AFFINE = np.array([[0, 0, 3.0, -58], [-3, 0, 0, 38], [0, 3, 0, -50], [0, 0, 0, 1]])
SHAPE, CUBE = (39, 39, 39), slice(7, 32)
# Beside a PyTorch for CPUs, the torchvision of PyPI cannot be imported for want of two operators, which nobody calls.
OPERATORS = """
from torch import library
for name in ("nms", "qnms"):
    library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""


@pytest.fixture(scope="module")
def environment() -> Path:
    """The programs of the environment that MONAI Label is installed in."""
    folder = Path(os.environ.get("LABEL_VENV", BUNDLE / ".venv-monailabel"))
    made = subprocess.run(
        ["make", "monailabel", f"LABEL_VENV={folder}", f"PYTHON={sys.executable}"],
        cwd=BUNDLE,
        capture_output=True,
        text=True,
    )
    if made.returncode:
        pytest.skip(f"MONAI Label cannot be installed: {made.stderr[-500:]}")
    return folder / "bin"


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("studies")
    for seed, suffix in enumerate(("T1w", "FLAIR")):
        voxels = np.zeros(SHAPE, np.float32)
        voxels[CUBE, CUBE, CUBE] = np.random.default_rng(seed).uniform(300, 900, (25, 25, 25))
        image = nibabel.Nifti1Image(voxels, AFFINE)
        # MNI152 space, so that nothing is registered.
        image.set_sform(AFFINE, 4)
        image.set_qform(AFFINE, 4)
        nibabel.save(image, folder / f"sub-01_{suffix}.nii.gz")
    return folder


def server_environment(programs: Path, folder: Path) -> dict[str, str]:
    """That of this process, with other programs."""
    given = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    given["PATH"] = f"{programs}:{given['PATH']}"
    if subprocess.run([programs / "python", "-c", "import torchvision"], env=given, capture_output=True).returncode:
        (folder / "sitecustomize.py").write_text(OPERATORS)
        given["PYTHONPATH"] = str(folder)
    return given


def get(url: str) -> dict:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


@pytest.fixture(scope="module")
def server(
    environment: Path, studies: Path, released_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of a server that runs while the tests do."""
    folder = tmp_path_factory.mktemp("apps")
    given = server_environment(environment, folder)
    program = environment / "monailabel"
    subprocess.run([program, "apps", "--download", "--name", "monaibundle", "--output", folder], env=given, check=True)
    (folder / "monaibundle" / "model").mkdir()
    (folder / "monaibundle" / "model" / NAME).symlink_to(released_bundle)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [program, "start_server", "--app", folder / "monaibundle", "--studies", studies]
    command += ["--host", "127.0.0.1", "--port", str(port), "--conf", "models", NAME]
    command += ["--conf", "zoo_source", "local", "--conf", "skip_trainers", "true", "--conf", "sam2", "false"]
    address = f"http://127.0.0.1:{port}"
    log = folder / "log"
    with log.open("w") as file:
        process = subprocess.Popen(command, env=given, stdout=file, stderr=subprocess.STDOUT)
    try:
        for _ in range(300):
            try:
                get(f"{address}/info/")
                break
            except OSError:
                assert process.poll() is None, log.read_text()
                time.sleep(2)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=60)
        print(log.read_text())


def infer(server: str, image: str, **parameters: object) -> tuple[dict, bytes]:
    """What `POST /infer` answers: parameters, and a file."""
    form = urllib.parse.urlencode({"params": json.dumps(parameters)}).encode()
    url = f"{server}/infer/{NAME}?image={image}"
    with urllib.request.urlopen(url, data=form, timeout=3600) as answer:
        header = f"Content-Type: {answer.headers['Content-Type']}\n\n".encode()
        parts = message_from_bytes(header + answer.read()).get_payload()
    return json.loads(parts[0].get_payload(decode=True)), parts[1].get_payload(decode=True)


def test_the_server_lists_the_bundle_and_its_targets(server):
    (model,) = get(f"{server}/info/")["models"].values()
    assert model["version"] == json.loads((BUNDLE / "configs" / "metadata.json").read_text())["version"]
    assert "siemens_3t" in model["config"]["target"]
    assert model["config"]["target_contrast"] == ["auto", "t1w", "t2w", "pd", "flair"]


def test_the_server_answers_with_what_the_bundle_writes(server, studies, released_bundle, tmp_path):
    told, content = infer(server, "sub-01_T1w", target="siemens_3t", device="cpu")
    assert told["sources"] == {"t1w": "sub-01_T1w.nii.gz", "flair": "sub-01_FLAIR.nii.gz"}
    assert told["target"]["name"] == "siemens_3t"
    answer = nibabel.Nifti1Image.from_bytes(zlib.decompress(content, 31) if content[:2] == b"\x1f\x8b" else content)
    harmonize = [sys.executable, "-m", "monai.bundle", "run", "--bundle_root", released_bundle]
    harmonize += ["--config_file", released_bundle / "configs" / "inference.json", "--output_dir", tmp_path / "out"]
    sources = {suffix.lower(): str(studies / f"sub-01_{suffix}.nii.gz") for suffix in ("T1w", "FLAIR")}
    harmonize += ["--sources", str(sources), "--target", "siemens_3t", "--target_contrast", "t1w", "--device", "cpu"]
    subprocess.run(harmonize, cwd=tmp_path, check=True)
    (path,) = (tmp_path / "out").rglob("*_desc-harmonized_T1w.nii.gz")
    own = nibabel.load(path)
    np.testing.assert_allclose(answer.affine, own.affine, atol=1e-4)
    expected = own.get_fdata(dtype=np.float32)
    assert expected.max() > 100
    # Another NumPy, perhaps another number of threads.
    np.testing.assert_allclose(answer.get_fdata(dtype=np.float32), expected, atol=1e-3 * expected.max())


def test_a_request_that_cannot_be_answered_fails(server):
    with pytest.raises(urllib.error.HTTPError):
        infer(server, "sub-01_T1w", target="nobody")
