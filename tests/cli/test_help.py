"""What the program says about itself: groups of commands, panels of options, completion."""

import os
import re
import subprocess
import sys

import pytest
import typer

from persam_video.cli.main import app
from persam_video.drawing.styles import STYLES
from persam_video.sam.registry import MODELS
from persam_video.sinks.outputs import Output

PANELS = {None, "Input", "Objects", "Outputs", "Look", "Fleet", "Model", "Tracking", "Run"}


def commands():
    """Give every command by its words, those in groups too."""

    def walk(command, words):
        if hasattr(command, "commands"):
            for name, inner in command.commands.items():
                yield from walk(inner, (*words, name))
        if command.callback is not None and words:
            yield words, command

    return dict(walk(typer.main.get_command(app), ()))


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_option_has_help_and_a_panel(words):
    for parameter in commands()[words].params:
        assert parameter.help, parameter.name
        assert parameter.rich_help_panel in PANELS
        if parameter.param_type_name == "option":
            assert parameter.rich_help_panel is not None, parameter.name


def test_every_command_is_in_a_group():
    listed = typer.main.get_command(app).commands
    assert all(isinstance(command.rich_help_panel, str) for command in listed.values())


def completed(words):
    """Ask the program as bash does, after Tab."""
    text = f"persam-video {words}"
    environment = os.environ | {
        "_PERSAM_VIDEO_COMPLETE": "complete_bash",
        "COMP_WORDS": text,
        "COMP_CWORD": str(len(text.split(" ")) - 1),
    }
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "persam_video"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "| torch" not in told.stderr.replace("|   ", "| ")
    return told.stdout.split()


def test_the_help_of_save_names_every_output():
    always = {Output.MASKS, Output.TRACKS}
    for words in (("track",), ("batch",)):
        (save,) = (p for p in commands()[words].params if p.name == "save")
        names = re.fullmatch(r"[^:]+ besides masks and tracks: (.*)\. Repeatable\.", save.help)[1]
        listed = [name.removesuffix(" (the default)") for name in names.split(", ")]
        assert listed == [output.value for output in Output if output not in always]


def test_the_help_of_style_names_every_style():
    for words in (("track",), ("batch",), ("render",), ("export",)):
        (style,) = (p for p in commands()[words].params if "--style" in p.opts)
        assert all(f" {kind.usage}" in style.help for kind in STYLES.values())


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("track clip.mp4 --style ", {"fill", "contour", "spotlight", "side-by-side"}),
        ("track clip.mp4 --style s", {"spotlight", "side-by-side"}),
        ("render result clip.mp4 --style blur,tr", {"blur,trail", "blur,trail=3"}),
        ("render result clip.mp4 --style anonymise=f", {"anonymise=fill", "anonymise=fill-rest"}),
        ("track clip.mp4 --model ", set(MODELS)),
        ("track clip.mp4 --codec h", {"h264", "hevc"}),
        ("track clip.mp4 --device c", {"cpu", "cuda"}),
        ("track clip.mp4 --precision ", {"auto", "fp32", "bf16", "fp16"}),
        ("track clip.mp4 --method persam-", {"persam-f"}),
        ("track clip.mp4 --config ups", {"upstream", "upstream_f"}),
        ("track clip.mp4 --set prior.a", {"prior.alpha="}),
        ("track clip.mp4 --save c", {"coco", "cutout-png", "cutout-webm", "cvat"}),
        ("track clip.mp4 --save coco,m", {"coco,mot", "coco,masks"}),
        ("export result --to y", {"ytvos"}),
        ("models download vit_", {"vit_t", "vit_b", "vit_l", "vit_h"}),
        ("eval", {"evaluate"}),
    ],
)
def test_the_shell_offers_values(words, offered):
    assert offered <= set(completed(words))
