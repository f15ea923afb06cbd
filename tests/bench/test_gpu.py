import torch

from scripts.base.contrasts import CONTRASTS
from scripts.bench import gpu
from scripts.bench.gpu import NetworkWay, VolumeTime, main, measure, subject, table

from ..methods.haca3plus.tiny import tiny_network


def test_a_subject_lacks_one_contrast(monkeypatch):
    monkeypatch.setattr(gpu, "GRID_SHAPE", (16, 18, 14))
    monkeypatch.setattr(gpu, "BRAIN", (8, 9, 7))
    image = subject(torch.device("cpu"))
    shown = image.flatten(1).any(1)
    assert [contrast for contrast, there in zip(CONTRASTS, shown, strict=True) if not there] == ["pd"]
    taken = measure(NetworkWay(targets=2, precision="fp32", batch_size=4), tiny_network(), image, repeats=2)
    assert taken.seconds > 0 and taken.peak_gib == 0


def test_the_table_counts_volumes_a_second():
    text = table({NetworkWay(3, "bf16", 16, compiled=True): VolumeTime(1.5, 6.25)})
    assert "| 3 | bf16 | 16 | yes | 1.50 | 2.00 | 6.2 |" in text


def test_without_a_gpu_the_page_stays_as_it_is(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("sys.argv", ["gpu"])
    monkeypatch.setattr(gpu, "write_section", lambda _: (_ for _ in ()).throw(AssertionError("written")))
    main()
    assert "sees no GPU" in capsys.readouterr().out
