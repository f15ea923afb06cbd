import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import monai.bundle
import pytest

BUNDLE = Path(__file__).parents[2]
GUARD = {"_target_": "scripts.base.overrides.refuse_unknown_overrides", "bundle_root": "@bundle_root"}


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    config = {
        "bundle_root": str(BUNDLE),
        "lambda_rec": 10.0,
        "idle": 1,
        "methods": {"none": "a"},
        "train": {"max_epochs": 3, "rate": 0.1},
        "loss": {"_target_": "torch.nn.SmoothL1Loss", "reduction": "sum"},
        "run": [
            GUARD,
            "$print('ran', @lambda_rec, @train#max_epochs, @train#rate, @methods, @loss.beta)",
        ],
    }
    return write(tmp_path / "tiny.json", config)


def write(path: Path, content: dict[str, Any]) -> Path:
    path.write_text(json.dumps(content))
    return path


def run(config_file: Path | list[Path], **overrides: Any) -> None:
    files = [str(file) for file in config_file] if isinstance(config_file, list) else str(config_file)
    monai.bundle.run(config_file=files, **overrides)


def refusal(config_file: Path | list[Path], **overrides: Any) -> str:
    with pytest.raises(RuntimeError) as caught:
        run(config_file, **overrides)
    return str(caught.value.__cause__)


def test_known_overrides_take_effect(config_file, capsys):
    run(config_file, **{"lambda_rec": 2, "train#rate": 5, "train::max_epochs": 4, "methods": {"x": "y"}})
    assert "ran 2 4 5 {'x': 'y'} 1.0" in capsys.readouterr().out


def test_what_a_layer_of_the_bundle_brings_need_not_be_used(config_file, tmp_path, capsys, monkeypatch):
    layer, last = write(tmp_path / "layer.json", {"slope": 1}), write(tmp_path / "last.json", {"lambda_rec": 3})
    assert "key `slope` of" in refusal([config_file, layer, last])
    monkeypatch.setattr("scripts.base.overrides.CONFIGS", tmp_path)
    run([config_file, layer, last])
    assert "ran 3" in capsys.readouterr().out
    assert "key `slope` of" in refusal([config_file, layer])


def test_new_entry_of_a_table_and_new_argument_of_a_target_are_fine(config_file, capsys):
    run(config_file, **{"methods#mean_std": "b", "loss#beta": 0.5})
    assert "{'none': 'a', 'mean_std': 'b'} 0.5" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("word", "value"), [("true", True), ("False", False), (True, True), ("$1 > 2", False), ("@loud", True)]
)
def test_a_switch_takes_the_words_of_the_command_line(tmp_path, word, value, capsys):
    block = {"_target_": "torch.nn.ELU", "alpha": 2.0}
    config = {"bundle_root": str(BUNDLE), "loud": True, "quiet": False, "act": block, "part": {"deep": False}}
    config["run"] = [GUARD, "$print('ran', @quiet, @act.inplace, @part#deep, 1 if @quiet else 0, @loud)"]
    file = write(tmp_path / "tiny.json", config)
    run(file, **{"quiet": word, "act#inplace": word, "part#deep": word})
    assert f"ran {value} {value} {value} {int(value)} True" in capsys.readouterr().out


def test_the_word_null_is_nothing(config_file, capsys):
    run(config_file, **{"lambda_rec": "null", "train#rate": "null"})
    assert "ran None 3 None" in capsys.readouterr().out


@pytest.mark.parametrize("word", ["yes", 1, "truee", [True]])
def test_a_switch_takes_nothing_else(tmp_path, word):
    config = {"bundle_root": str(BUNDLE), "quiet": False, "run": [GUARD, "$print('ran', @quiet)"]}
    file = write(tmp_path / "tiny.json", config)
    assert refusal(file, quiet=word) == f"override key `quiet` must be true or false, got {word!r}"


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("lamda_rec", "lambda_rec"),
        ("train#max_epocs", "train#max_epochs"),
        ("max_epochs", "train#max_epochs"),
        ("loss#reductoin", "loss#reduction"),
        ("loss#betta", "loss#beta"),
        ("max_epoch_count", "train#max_epochs"),
    ],
)
def test_misspelt_override_is_refused_with_the_nearest_id(config_file, key, nearest, capsys):
    words = f"override key `{key}` is not used by {config_file}; did you mean `{nearest}`?"
    assert refusal(config_file, **{key: 1}) == words
    assert "ran" not in capsys.readouterr().out


def test_id_that_the_config_holds_but_does_not_use_is_refused(config_file):
    assert refusal(config_file, idle=2).startswith(f"override key `idle` is not used by {config_file}; did you mean")


def test_keys_of_an_overlay_file_are_checked_too(config_file, tmp_path, capsys):
    overlay = write(tmp_path / "mine.json", {"_comment_": "my study", "strength": 7, "lambda_rec": "$@strength + 1"})
    run([config_file, overlay])
    assert "ran 8" in capsys.readouterr().out
    write(overlay, {"lamda_rec": 3})
    words = f"key `lamda_rec` of {overlay} is not used by {config_file}, {overlay}; did you mean `lambda_rec`?"
    assert refusal([config_file, overlay]) == words


def test_keys_of_an_args_file_are_checked_too(config_file, tmp_path):
    args_file = write(
        tmp_path / "args.json", {"config_file": str(config_file), "workflow_type": "infer", "lamda_rec": 3}
    )
    with pytest.raises(RuntimeError) as caught:
        monai.bundle.run(args_file=str(args_file))
    assert "did you mean `lambda_rec`?" in str(caught.value.__cause__)


def test_relative_and_macro_references_count_as_use(tmp_path, capsys):
    block = {"a": 1, "b": "$@#a + 1"}
    config = {
        "bundle_root": str(BUNDLE),
        "x": 3,
        "copy": "%x",
        "block": block,
        "run": [GUARD, "$print(@copy, @block#b)"],
    }
    run(write(tmp_path / "tiny.json", config), **{"x": 4, "block#a": 5})
    assert "4 6" in capsys.readouterr().out


def test_wrong_bundle_root_is_refused(config_file, tmp_path):
    assert refusal(config_file, bundle_root=str(tmp_path)) == (
        f"`bundle_root` must be {BUNDLE}, got `{tmp_path}`; add --bundle_root {BUNDLE}"
    )


def test_command_line_from_another_folder(tmp_path):
    (tmp_path / "bundle" / "configs").mkdir(parents=True)
    (tmp_path / "bundle" / "scripts").symlink_to(BUNDLE / "scripts")
    config = {"bundle_root": str(BUNDLE), "lambda_rec": 1, "run": [GUARD, "$print('ran', @lambda_rec)"]}
    file = write(tmp_path / "bundle" / "configs" / "tiny.json", config)
    command = [sys.executable, "-m", "monai.bundle", "run", f"--config_file={file}", "--lamda-rec=3"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.endswith(
        f"Refused: override key `lamda_rec` is not used by {file}; did you mean `lambda_rec`?\n"
    )
    assert "ran" not in result.stdout
    assert "Traceback" not in result.stderr


@pytest.fixture
def declared(tmp_path: Path) -> Path:
    """A config that declares what the values of an option, and of an argument, may be."""
    config = {
        "bundle_root": str(BUNDLE),
        "share": True,
        "loss": {"_target_": "torch.nn.SmoothL1Loss", "beta": 0.5},
        "option_kinds": {"share": "true, false or a number from 0 to 1", "loss#beta": "a number of at least 0"},
        "run": [GUARD, "$print('ran', @share, @loss.beta)"],
    }
    return write(tmp_path / "declared.json", config)


@pytest.mark.parametrize(("given", "meant"), [(0.5, 0.5), ("false", False), ("True", True), (1, 1), ("$1 / 4", 0.25)])
def test_an_option_takes_what_its_declaration_says(declared, given, meant, capsys):
    run(declared, share=given, **{"loss#beta": 2})
    assert f"ran {meant} 2" in capsys.readouterr().out


@pytest.mark.parametrize("given", [1.5, -0.1, "half", "0.5", [0.5], float("nan")])
def test_an_option_takes_nothing_else(declared, tmp_path, given):
    words = f"must be true, false or a number from 0 to 1, got {given!r}"
    assert refusal(declared, share=given) == f"override key `share` {words}"
    if given == given:
        overlay = write(tmp_path / "mine.json", {"share": given})
        assert refusal([declared, overlay]) == f"key `share` of {overlay} {words}"


def test_an_argument_of_a_target_can_be_declared_too(declared):
    words = "override key `loss#beta` must be a number of at least 0, got -1"
    assert refusal(declared, **{"loss#beta": -1}) == words
    assert refusal(declared, **{"loss::beta": -1}) == words.replace("#", "::")


def test_a_device_that_is_not_there_is_refused_at_the_start(config_file, tmp_path):
    content = json.loads(config_file.read_text()) | {"device": "cpu"}
    content["run"].insert(1, "$print(@device)")
    file = write(tmp_path / "device.json", content)
    run(file, device="cpu")
    assert refusal(file, device="gpu").startswith("`device` must be cpu, cuda, cuda with the number of a GPU, such as")


def test_ctrl_c_ends_with_a_line_and_the_code_of_a_shell(tmp_path):
    interrupt = "$os.kill(os.getpid(), signal.SIGINT) or [number for number in range(10**7)]"
    config = {"imports": ["$import os", "$import signal"], "bundle_root": str(BUNDLE), "run": [GUARD, interrupt]}
    file = write(tmp_path / "tiny.json", config)
    command = [sys.executable, "-m", "monai.bundle", "run", f"--config_file={file}"]
    # A background job of a shell would not be interrupted, and neither would what it starts.
    result = subprocess.run(
        command,
        cwd=BUNDLE,
        capture_output=True,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert result.returncode == 130
    assert "Traceback" not in result.stderr
    line = "Interrupted: what is finished is kept, the same command again does the rest"
    assert result.stderr.splitlines()[-1] == line
