"""A run that is refused must not have waited for libraries that only a run that works needs."""

import json
import subprocess
import sys

from .tiny_subjects import BUNDLE

# MONAI takes what it finds of these and does without the rest, so here it finds none: what asks for one is the bundle.
HEAVY = ("itk", "matplotlib", "sklearn", "scipy", "skimage", "pandas", "nilearn")
PROBE = """
import json, sys
heavy, bundle, output = json.loads(sys.argv[1])
asked = []

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in heavy:
            frame = sys._getframe()
            while frame is not None:
                if frame.f_globals.get("__name__", "").startswith("scripts."):
                    asked.append(f"{frame.f_globals['__name__']} asks for {name}")
                frame = frame.f_back
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
sys.path.insert(0, bundle)
import monai.bundle
from scripts.base.errors import InputError, find_cause

given = {"target": "ge_3t", "target_contrast": "t1w", "qc_report": True, "output_dir": output}
words = []
for wrong in ({"sourcs": 1}, {"sources": {"t1w": output + "/absent.nii.gz"}}):
    try:
        monai.bundle.run(config_file=bundle + "/configs/inference.json", bundle_root=bundle, **given, **wrong)
    except Exception as error:
        words.append(str(find_cause(error, InputError)))
print(json.dumps([words, asked, [name for name in sys.modules if name.startswith("scripts.")]]))
"""


def test_a_refusal_imports_neither_heavy_libraries_nor_other_methods(tmp_path):
    given = json.dumps([HEAVY, str(BUNDLE), str(tmp_path / "out")])
    found = subprocess.run([sys.executable, "-c", PROBE, given], cwd=tmp_path, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    (misspelt, absent), asked, modules = json.loads(found.stdout.splitlines()[-1])
    assert misspelt.startswith("override key `sourcs` is not used by")
    assert absent == f"image file {tmp_path / 'out' / 'absent.nii.gz'} does not exist"
    assert asked == []
    methods = {name.split(".")[2] for name in modules if name.startswith("scripts.methods.")}
    assert methods == {"base", "haca3", "haca3plus"}
    assert [name for name in modules if name.startswith("scripts.methods.haca3.")] == ["scripts.methods.haca3.features"]
    folders = {name.split(".")[1] for name in modules}
    assert not folders & {"artifacts", "bench", "distribution", "evaluation", "experiments", "phantom", "sampler"}
