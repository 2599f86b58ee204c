#!/usr/bin/env python3
"""Compares what compilers make of the kernels with benches/compiled.json: benches/compiled.py [--write REASON] [COMPILE]

COMPILE is a program that compiles a folder of `cyclone verify --emit` for hardware that is not there and prints JSON; if it is
not given, the one in the environment variable COMPILE, else ../shared/port/compile beside the checkout. `cyclone` is the
release build. Exit code 1 if a compiler refuses a kernel, if one spills registers that did not, or if its arithmetic loop has
over 3 points less of fused multiply-adds; --write takes the new figures for the baseline, and says why in it. They hold for
one version of the drivers: with another, --write them from the commit before.
"""
import argparse, json, os, pathlib, shutil, subprocess, sys, tempfile

root = pathlib.Path(__file__).resolve().parent.parent
baseline = root / "benches" / "compiled.json"
program = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", root / "target")) / "release" / "cyclone"
# Each kernel of a step in the report's shape, alone and among thirty, and the large tile: seconds, not minutes.
kernels = ["forward-M1-fused-8x16", "forward-M1-split-8x16", "forward-M30-split-8x8-wide", "head-M1-fused-8x16", "head-M30-split-8x16"]
kernels += ["update-M1-split-8x16", "update-M30-split-8x16", "fused-update-M1-fused-8x16", "gather-M1-fused-8x16", "tally-M1-fused-8x16"]
kernels += ["squares-w1-M1-fused-8x16", "ceiling_fma"]
# Those that only a deep network has, and those that AdamW, dropout and smoothing change.
kernels += [f"{kernel}-deep-split-8x16" for kernel in ("forward", "head", "update")]
kernels += [f"{kernel}-deep-fused-8x16" for kernel in ("forward-2", "backward-2", "update-2", "activate", "activate-backward", "fused-update")]
loss = 0.03


def compiled(compile):
    with tempfile.TemporaryDirectory() as scratch:
        every, some = pathlib.Path(scratch, "every"), pathlib.Path(scratch, "some")
        subprocess.run([program, "verify", "--emit", every], check=True, stdout=subprocess.DEVNULL)
        some.mkdir()
        for kernel in kernels:
            files = list(every.glob(f"{kernel}.*"))
            assert files, f"verify --emit wrote no {kernel}"
            for file in files:
                shutil.copy(file, some)
        # Its exit code tells of refusals, and so does its answer.
        told = subprocess.run([compile, some, pathlib.Path(scratch, "out"), "--json"], stdout=subprocess.PIPE).stdout
        return json.loads(told)


def figures(answer):
    found = {key: answer["statistics"][key] for key in ("registers", "spilled", "scratch bytes", "occupancy") if key in answer["statistics"]}
    hot = answer["statistics"].get("hot")
    return found | ({"fma": hot["block"]["share"]} if hot else {})


def worse(place, now, before):
    for key in "spilled", "scratch bytes":
        if now.get(key, 0) > before.get(key, 0):
            yield f"{place}: {key}: {before.get(key, 0)} before, {now[key]} now"
    if now.get("fma", 0) < before.get("fma", 0) - loss:
        yield f"{place}: fused multiply-adds in the hottest block: {before['fma']:.0%} before, {now.get('fma', 0):.0%} now"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", metavar="REASON", help="take the figures of now for the baseline")
    parser.add_argument("compile", metavar="COMPILE", nargs="?", type=pathlib.Path)
    options = parser.parse_args()
    compile = options.compile or pathlib.Path(os.environ.get("COMPILE", root.parent / "shared/port/compile"))
    if not compile.exists():
        parser.error(f"no program {compile}")
    told = compiled(compile.resolve())
    for compiler, why in told["silent"].items():
        print(f"{compiler} was not asked: {why}")
    wrong = [f"{compiler} {why}" for compiler, why in told["silent"].items() if why.startswith("broken")]
    now, takes = {}, []
    for compiler, answers in told["answers"].items():
        takes += [compiler] if answers else []
        for kernel, answer in answers.items():
            if answer["error"] is not None:
                wrong.append(f"{kernel}: {compiler} refuses it: {answer['error']}")
            elif found := figures(answer):
                now[f"{kernel}, {compiler}"] = found
    if not takes and not wrong:
        print("SKIPPED: no compiler is set up")
        return 0
    if options.write and not wrong:
        lines = ",\n".join(f"  {json.dumps(place)}: {json.dumps(found)}" for place, found in sorted(now.items()))
        baseline.write_text(f'{{\n "reason": {json.dumps(options.write)},\n "compiled": {{\n{lines}\n }}\n}}\n')
    before = json.loads(baseline.read_text())["compiled"]
    silent = tuple(f", {compiler}" for compiler in told["silent"])
    for place, found in before.items():
        if place in now:
            wrong += worse(place, now[place], found)
        elif not place.endswith(silent):
            wrong.append(f"{place}: in the baseline, but not compiled")
    wrong += [f"{place}: not in the baseline" for place in now.keys() - before.keys()]
    print("\n".join(wrong or [f"{len(kernels)} kernels by {', '.join(takes)}: as in {baseline.relative_to(root)}"]))
    if wrong:
        print(f'if that is meant: {pathlib.Path(sys.argv[0]).name} --write "the reason", and commit {baseline.relative_to(root)}')
    return int(bool(wrong))


sys.exit(main())
