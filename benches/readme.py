#!/usr/bin/env python3
"""Updates the command output in README.md: benches/readme.py [NAME...]

Between `<!-- run NAME: COMMAND -->` and `<!-- end NAME -->` is the output of COMMAND, with the machine and the date. This
runs the commands again (all, or those named) in a scratch folder and replaces their output. Only the first and last rows of
long tables are kept. `cyclone` is the release build; DATA in a command is the folder of the real images and PEERS that of the
other frameworks' programs, both from the environment. If a command creates a report, its charts replace the docs/NAME.svg
that README.md shows.
"""
import datetime, os, pathlib, platform, re, shutil, subprocess, sys, tempfile

root = pathlib.Path(__file__).resolve().parent.parent
readme = root / "README.md"
program = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", root / "target")) / "release" / "cyclone"
table = re.compile(r"(?:^ +\d+ +\d.*\n){12,}", re.M)
folders = ["DATA", "PEERS"]
block = re.compile(r"(<!-- run (\w[\w-]*): (.*?) -->\n).*?(<!-- end \2 -->)", re.S)


def machine():
    try:
        cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())[1]
    except (OSError, TypeError):
        cpu = platform.processor()
    return f"{os.cpu_count()} cores of {cpu.strip()}, {platform.system()}, {datetime.date.today()}"


def shortened(found):
    rows = found[0].splitlines()
    return "\n".join([*rows[:4], f"       ⋮  {len(rows) - 8} rows more", *rows[-4:]]) + "\n"


def run(found):
    head, name, command, tail = found.groups()
    if sys.argv[1:] and name not in sys.argv[1:]:
        return found[0]
    shown = f"$ {command}\n"
    typed = command.replace("cyclone", str(program)).replace("benches/", f"{root}/benches/")
    for folder in folders:
        typed = typed.replace(folder, os.environ.get(folder, folder))
    with tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run(typed, shell=True, cwd=scratch, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for chart in pathlib.Path(scratch).glob("*/charts/*.svg"):
            if f"docs/{chart.name}" in text:
                shutil.copyfile(chart, root / "docs" / chart.name)
    if done.returncode != 0:
        sys.exit(f"{command}: exit code {done.returncode}\n{done.stdout}")
    output = done.stdout.replace(scratch + "/", "")
    for folder in folders:
        output = output.replace(os.environ.get(folder, folder), folder)
    output = table.sub(shortened, output)
    return f"{head}```console\n{shown}{output.rstrip()}\n```\n*{machine()}*\n{tail}"


text = readme.read_text()
readme.write_text(block.sub(run, text))
