"""Workers that stay: what they draw is the same, they are nobody else's, and they leave."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from functional.made import STEPS
from functional.residents import fresh, home, only, run, stop_all, there
from helpers.manifests import read_manifest
from runner.cli import main
from runner.errors import ConfigError
from runner.workers import takeover
from runner.workers.residence_folder import open_residence, opened_residence
from tracking.processes import commands, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only there"),
]

KEEP = "120s"
LONG = ("decoder.num_inference_steps=400", "height=256", "width=256")


@pytest.fixture
def staying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A test's own: a worker of another one may stay for commands of another kind."""
    with home(tmp_path_factory.mktemp("staying")) as folder:
        yield folder


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where no worker ever stays."""
    return tmp_path_factory.mktemp("alone")


ROW = (
    (),
    ("scheduler=ddpm", "prompt=a blue square"),
    ("model=kandinsky2_1",),
    ("scheduler=dpmpp_2m", "attention=sliced", "height=64", "width=192"),
    (),
    ("task=img2img", "strength=0.7"),
    ("model=kandinsky3", "height=64", "width=64"),
    ("scheduler=ddpm", "seeds=[3,4]"),
)
"""Commands one after another; each changes what the one before has used."""


def test_one_command_after_another_draws_as_in_a_process_of_its_own(
    staying: Path, alone: Path, weights: Path, tmp_path: Path
) -> None:
    picture = tmp_path / "picture.png"
    Image.linear_gradient("L").convert("RGB").save(picture)
    first = None
    for number, overrides in enumerate(ROW):
        own = (f"inputs.image={picture}",) if "task=img2img" in overrides else ()
        kept = run(weights, tmp_path / "kept", *overrides, *own, keep=KEEP)
        expected = fresh(alone, weights, tmp_path / "fresh", *overrides, *own)
        assert kept.pixels == expected.pixels, overrides
        assert kept.read_back == expected.read_back, overrides
        assert kept.first_calls == expected.first_calls, overrides
        first = first or only()
        # One and the same process, which keeps what it has loaded.
        assert (only().pid, only().commands) == (first.pid, number + 1)
        how = "1 worker, resident since" if number else "1 worker, to stay for 2m ("
        assert kept.how.startswith(how)
    assert {"Kandinsky3Pipeline float32", "KandinskyV22Pipeline float32"} <= set(only().loaded)


def test_the_command_imports_no_torch_and_its_manifest_is_that_of_any(
    staying: Path, alone: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        "import sys; from runner.cli import main; status = main(sys.argv[1:]); "
        "print('torch' in sys.modules); sys.exit(status)"
    )
    given = (f"weights={weights}", "tracking=none", "cache=off", *STEPS)
    run(weights, tmp_path / "before", keep=KEEP)
    done = subprocess.run(
        [sys.executable, "-c", script, *given], cwd=tmp_path, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "False"
    assert "1 worker, resident since " in done.stderr
    kept = read_manifest(tmp_path / "outputs" / "latest")
    monkeypatch.setenv("KANDINSKY_CACHE", str(alone))
    assert main([*given, f"output_dir={tmp_path / 'alone'}"]) == 0
    own = read_manifest(tmp_path / "alone" / "latest")
    assert own.keys() == kept.keys()
    assert own["config"] == {**kept["config"], "output_dir": str(tmp_path / "alone")}
    ran = [(i["sha256"], i["stage_keys"], i["timing"]["first_calls"]) for i in own["images"]]
    assert ran == [
        (i["sha256"], i["stage_keys"], i["timing"]["first_calls"]) for i in kept["images"]
    ]


def test_a_command_that_is_killed_leaves_a_worker_that_others_take(
    staying: Path, alone: Path, weights: Path, tmp_path: Path
) -> None:
    run(weights, tmp_path, keep=KEEP)
    pid = only().pid
    command = subprocess.Popen(
        [sys.executable, "-m", "runner", f"weights={weights}", "tracking=none", *STEPS, *LONG],
        cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert command.stderr is not None
    for line in command.stderr:
        if "loaded KandinskyV22Pipeline" in line:
            break
    time.sleep(0.3)
    command.kill()
    command.wait()
    command.stderr.close()
    # It ends the stage at its next step, and unloads what that may have left in any state.
    wait_until(lambda: only().loaded == (), 60)
    again = run(weights, tmp_path)
    assert again.how.startswith("1 worker, resident since")
    assert only().pid == pid
    assert again.pixels == fresh(alone, weights, tmp_path / "fresh").pixels


def test_two_commands_at_once_do_not_share_one(
    staying: Path, alone: Path, weights: Path, tmp_path: Path
) -> None:
    run(weights, tmp_path, keep=KEEP)
    taken = only()
    with opened_residence() as residence:
        assert residence is not None
        with residence.reserve(taken.pid):  # as another command does
            other = run(weights, tmp_path / "other")
    assert "resident" not in other.how
    assert (only().pid, only().commands) == (taken.pid, 1)
    assert other.pixels == fresh(alone, weights, tmp_path / "fresh").pixels


def test_one_that_is_killed_in_a_stage_is_replaced_and_leaves_when_its_time_is_up(
    staying: Path, alone: Path, weights: Path, tmp_path: Path
) -> None:
    run(weights, tmp_path, keep=KEEP)
    pid = only().pid
    seen = run(weights, tmp_path, keep="1s", on_decode=lambda: os.kill(pid, signal.SIGKILL) or True)
    (other,) = there()
    assert other.pid != pid
    wait_until(lambda: other.pid not in commands(), 60)
    assert list(staying.glob("[0-9]*")) == []
    assert seen.pixels == fresh(alone, weights, tmp_path / "fresh").pixels


def test_the_list_tells_them_and_they_leave_when_stopped_or_outdated(
    staying: Path,
    weights: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stop_all()
    assert main(["workers"]) == 0
    assert capsys.readouterr().out.startswith("no workers stay")
    assert run(weights, tmp_path, "workers=2", keep=KEEP).how.startswith("2 workers, to stay for")
    wait_until(lambda: [one.until is not None for one in there()] == [True, True])
    assert main(["workers", "--json"]) == 0
    one, other = json.loads(capsys.readouterr().out)
    assert (one["device"], one["commands"]) == ("cpu", 1)
    assert (one["busy"], one["outdated"]) == (False, False)
    assert main(["workers", "stop", str(one["id"])]) == 0
    assert capsys.readouterr().out == "1 worker stopped\n"
    assert [left.pid for left in there()] == [other["id"]]
    # What is missing is begun, and ends with a command that keeps none.
    how = run(weights, tmp_path, "workers=2").how
    assert how.startswith("2 workers, 1 of them resident since")
    assert [left.pid for left in there()] == [other["id"]]
    assert main(["workers", "stop", "1"]) == 2
    assert "id=1: is none of a worker that stays" in capsys.readouterr().err
    monkeypatch.setattr(takeover, "code_key", lambda: "other libraries")
    assert run(weights, tmp_path).how == "1 worker (one a core)"
    assert there() == []
    wait_until(lambda: other["id"] not in commands(), 60)


def test_what_a_users_metric_prints_is_seen_and_a_changed_module_is_imported_anew(
    staying: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "own_metric.py"
    option = tmp_path / "options" / "metrics" / "own.yaml"
    option.parent.mkdir(parents=True)
    option.write_text("own:\n  function: own_metric:own\n")
    text = (
        "from runner.metrics import metric\n\n"
        "@metric(better='higher')\ndef own(image):\n    print('it says {0}')\n    return {0}.0\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}

    def said(number: int) -> str:
        module.write_text(text.format(number))
        done = subprocess.run(
            [
                sys.executable, "-m", "runner", f"weights={weights}", "tracking=none", *STEPS,
                f"--config-dir={option.parents[1]}", "metrics=[own]", f"workers.keep={KEEP}",
            ],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout

    assert "it says 1" in said(1)
    assert "it says 12" in said(12)


def test_a_folder_of_others_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KANDINSKY_CACHE", str(tmp_path))
    residence = open_residence(create=True)
    assert residence is not None
    residence.close()
    folder = residence.path
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o750)
    with pytest.raises(ConfigError, match=r"workers\.keep=30s: .*, is open to others"):
        open_residence(create=True, keep=30)
    assert main(["plan", "workers.keep=30s", "tracking=none"]) == 2
    assert main(["plan", "tracking=none"]) == 0
    assert open_residence() is None
    # A link, whoever put it there, leads nowhere.
    moved = folder.rename(tmp_path / "moved")
    moved.chmod(0o700)
    folder.symlink_to(moved)
    assert open_residence() is None
    with pytest.raises(ConfigError, match="cannot be made"):
        open_residence(create=True)
    if os.geteuid() == 0:
        folder.unlink()
        moved.rename(folder)
        os.chown(folder, 12345, 12345)
        with pytest.raises(ConfigError, match="is another user's"):
            open_residence(create=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user")
def test_a_socket_of_another_user_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KANDINSKY_CACHE", str(tmp_path))
    residence = open_residence(create=True)
    assert residence is not None
    planted = subprocess.Popen(
        [
            sys.executable, "-c",
            "import os, socket, sys\none = socket.socket(socket.AF_UNIX)\n"
            "one.bind(sys.argv[1])\nos.seteuid(12345)\none.listen()\n"
            "print('there', flush=True)\none.accept()",
            str(residence.path / "7.socket"),
        ],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert planted.stdout is not None
    planted.stdout.readline()
    try:
        with pytest.raises(PermissionError, match="another user's"):
            residence.connect(7)
    finally:
        planted.kill()
        planted.communicate()
        residence.close()
