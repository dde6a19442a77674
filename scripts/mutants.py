#!/usr/bin/env python3
"""Plants the errors that cargo-mutants knows, and says which of them no test catches.

Compiling the kernels takes far longer than testing them, so all mutants of the chosen files are
compiled at once, into a copy of the sources: `a + b` becomes `if is(7) { a - b } else { a + b }`, and
an environment variable says which one is wrong in a run. Only the kernels of one instruction set are
compiled. What does not compile that way is listed as `apart`, for `scripts/mutants.sh --re`.

    pip install tree-sitter tree-sitter-rust
    scripts/mutants.py --file src/loss.rs --file 'src/vector/*.rs' --skip arch:: -- --lib --test prop_loss

Each mutant's outcome is a line of `target/mutants/outcomes.tsv`; those that have one are not run again.
"""

import argparse
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import tree_sitter
import tree_sitter_rust

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "target" / "mutants"
TREE = WORK / "tree"
OUTCOMES = WORK / "outcomes.tsv"
UNUSED = 2**32 - 2
QUICK = "--config=profile.test.package.gradkern.opt-level=1"
TYPES = {"Portable": "Scalar", "Avx2": "Avx2", "Avx512": "Avx512"}
SWITCH = """//! Which mutant is active in this process.

use std::sync::atomic::{AtomicU32, Ordering};

static ACTIVE: AtomicU32 = AtomicU32::new(u32::MAX);

#[inline(always)]
pub(crate) fn is(mutant: u32) -> bool {
    ACTIVE.load(Ordering::Relaxed) == mutant
}

#[used]
#[unsafe(link_section = ".init_array")]
static CHOOSE: extern "C" fn() = {
    extern "C" fn choose() {
        if let Some(mutant) = std::env::var("MUTANT").ok().and_then(|n| n.parse().ok()) {
            ACTIVE.store(mutant, Ordering::Relaxed);
        }
    }
    choose
};
"""


class Rewriter:
    """The text of a file with the given mutants in it, each between markers with its number."""

    def __init__(self, source, mutants):
        self.source = source
        self.starts = [0] + [i + 1 for i, byte in enumerate(source) if byte == 10]
        self.mutants = {}
        for number, mutant in mutants.items():
            span = mutant["span"]
            at = (self.offset(span["start"]), self.offset(span["end"]))
            self.mutants.setdefault((mutant["genre"], at), []).append((number, mutant))

    def offset(self, place):
        line = self.starts[place["line"] - 1]
        text = self.source[line:].decode()
        return line + len(text[: place["column"] - 1].encode())

    def taken(self, genre, start, end):
        """Takes the mutants of a span: what is left in the end was not found."""
        return self.mutants.pop((genre, (start, end)), [])

    def at(self, genre, start, end):
        return self.mutants.get((genre, (start, end)), [])

    def text(self, node):
        rewritten = getattr(self, "rewrite_" + node.type, lambda _: None)(node)
        return self.copy(node) if rewritten is None else rewritten

    def copy(self, node, inserts=()):
        """A node's own text around that of its children; `inserts` maps children to other text."""
        inserts = dict(inserts)
        out, at = [], node.start_byte
        for child in node.children:
            out.append(self.source[at : child.start_byte].decode())
            out.append(inserts[child.id] if child.id in inserts else self.text(child))
            at = child.end_byte
        out.append(self.source[at : node.end_byte].decode())
        return "".join(out)

    @staticmethod
    def choice(mutants, wrong, right):
        """`right`, or what `wrong` makes of the mutant that is active."""
        arms = "".join(
            f"/*<{n}*/if crate::mutant::is({n}) {{ {wrong(m)} }} else /*{n}>*/" for n, m in mutants
        )
        return f"({arms}{{ {right} }})"

    def operator(self, node):
        operator = node.child_by_field_name("operator") or node.children[1]
        mutants = self.at("BinaryOperator", operator.start_byte, operator.end_byte)
        if not mutants:
            return None
        left, right = (self.text(node.child_by_field_name(side)) for side in ("left", "right"))
        return operator.text.decode(), mutants, left, right

    @staticmethod
    def marked(mutants, text):
        for number, _ in mutants:
            text = f"/*<{number}*/{text}/*{number}>*/"
        return text

    def rewrite_binary_expression(self, node):
        found = self.operator(node)
        if found is None:
            return None
        operator, mutants, left, right = found
        if operator in ("&&", "||"):
            pick = self.choice(
                mutants, lambda m: f"{left} {m['replacement']} {right}", f"{left} {operator} {right}"
            )
            return self.marked(mutants, pick)
        by = "&" if operator in ("==", "!=", "<", ">", "<=", ">=") else ""
        pick = self.choice(mutants, lambda m: f"l__ {m['replacement']} r__", f"l__ {operator} r__")
        return self.marked(mutants, f"(match ({by}({left}), {by}({right})) {{ (l__, r__) => {pick} }})")

    def rewrite_compound_assignment_expr(self, node):
        found = self.operator(node)
        if found is None:
            return None
        operator, mutants, left, right = found
        pick = self.choice(
            mutants, lambda m: f"{left} {m['replacement']} r__", f"{left} {operator} r__"
        )
        return self.marked(mutants, f"({{ let r__ = {right}; {pick} }})")

    def rewrite_unary_expression(self, node):
        sign = node.children[0]
        mutants = self.at("UnaryOperator", sign.start_byte, sign.end_byte)
        if not mutants:
            return None
        pick = self.choice(mutants, lambda _: "x__", f"{sign.text.decode()}x__")
        return self.marked(mutants, f"(match {self.text(node.children[1])} {{ x__ => {pick} }})")

    def rewrite_block(self, node):
        inner = [child for child in node.children if child.is_named and "comment" not in child.type]
        if not inner:
            return None
        mutants = self.at("FnValue", inner[0].start_byte, inner[-1].end_byte)
        if not mutants:
            return None
        returns = "".join(
            f"/*<{n}*/if crate::mutant::is({n}) {{ return {m['replacement']}; }}/*{n}>*/"
            for n, m in mutants
        )
        return self.copy(node, {node.children[0].id: "{\n" + returns})

    def rewrite_match_arm(self, node):
        pattern = node.child_by_field_name("pattern")
        guard = pattern.child_by_field_name("condition")
        gone = self.at("MatchArm", node.start_byte, node.end_byte)
        gone = gone or self.at("MatchArm", node.start_byte, node.end_byte - 1)
        forced = guard and self.at("MatchArmGuard", guard.start_byte, guard.end_byte)
        if not gone and not forced:
            return None
        condition = self.text(guard) if guard else "true"
        if forced:
            condition = self.choice(forced, lambda m: m["replacement"], condition)
        for number, _ in gone:
            condition = f"/*<{number}*/!crate::mutant::is({number})/*{number}>*/ && ({condition})"
        end = guard.prev_sibling.start_byte if guard else pattern.end_byte
        plain = self.source[pattern.start_byte : end].decode()
        return self.copy(node, {pattern.id: f"{plain} if {condition}"})

    def rewrite_struct_expression(self, node):
        fields = node.child_by_field_name("body")
        base = [c for c in fields.children if c.type == "base_field_initializer"]
        inserts = {}
        for field in fields.children:
            mutants = self.at("StructField", field.start_byte, field.end_byte)
            mutants = mutants or self.at("StructField", field.start_byte, field.end_byte + 1)
            if mutants:
                name = field.children[0].text.decode()
                rest = base[0].children[1].text.decode()
                value = field.child_by_field_name("value") or field.children[0]
                pick = self.choice(mutants, lambda _: f"({rest}).{name}", self.text(value))
                inserts[field.id] = f"{name}: {pick}"
        if not inserts:
            return None
        return self.copy(node, {fields.id: self.copy(fields, inserts)})


def rewrite(path, mutants):
    source = (ROOT / path).read_bytes()
    language = tree_sitter.Language(tree_sitter_rust.language())
    tree = tree_sitter.Parser(language).parse(source)
    return Rewriter(source, mutants).text(tree.root_node)


def markers(text):
    """(start, end, mutant) of what each mutant has added."""
    found, begun = [], {}
    for mark in re.finditer(rb"/\*(?:<(\d+)|(\d+)>)\*/", text):
        if mark[1]:
            begun[int(mark[1])] = mark.start()
        else:
            found.append((begun[int(mark[2])], mark.end(), int(mark[2])))
    return found


def write(path, text):
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def copy_sources(isas):
    TREE.mkdir(parents=True, exist_ok=True)
    files = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True)
    for name in files.strip("\0").split("\0"):
        (TREE / name).parent.mkdir(parents=True, exist_ok=True)
        if not name.endswith(".rs"):
            shutil.copy2(ROOT / name, TREE / name)
        else:
            write(TREE / name, edited(name, (ROOT / name).read_text(), isas))
    write(TREE / "src/mutant.rs", SWITCH)


def edited(name, text, isas):
    """A file for the copy: with the switch, without the other instruction sets, and with what products
    choose when they are compiled chosen at run time, as mutants are."""
    if name == "src/lib.rs":
        return text + "\nmod mutant;\n"
    if name.startswith("src/gemm/"):
        text = text.replace("const fn ", "fn ").replace("const {", "{")
    for isa, token in TYPES.items():
        if isa not in isas and name == "src/arch/mod.rs":
            text = re.sub(rf"Isa::{isa} => [^,]*,", f"Isa::{isa} => None,", text)
        if isa not in isas and name == "src/float.rs":
            text = re.sub(rf"Token::{token}\(token\) => [^,]*,", f"Token::{token}(_) => unreachable!(),", text)
    return text


def compile_errors(command):
    """The places of errors, as (file, offset, message)."""
    run = subprocess.run(command, cwd=TREE, stdout=subprocess.PIPE, text=True)
    places = set()
    for line in run.stdout.splitlines():
        message = json.loads(line).get("message") or {}
        if message.get("level") == "error":
            for span in message["spans"]:
                if span["is_primary"]:
                    places.add((span["file_name"], span["byte_start"], message["message"]))
    assert places or run.returncode == 0, "the copy does not compile"
    return places


def plant(mutants, isas):
    """Writes the mutants into the copy; returns those that compile."""
    left = dict(mutants)
    while True:
        for path in sorted({m["file"] for m in mutants.values()}):
            text = rewrite(path, {n: m for n, m in left.items() if m["file"] == path})
            write(TREE / path, edited(path, text, isas))
        marks = {m["file"]: markers((TREE / m["file"]).read_bytes()) for m in mutants.values()}
        planted = {n for found in marks.values() for _, _, n in found}
        for number in set(left) - planted:
            outcome(left.pop(number), "apart", "no way to write it")
        errors = compile_errors(["cargo", "check", "--lib", "--message-format=json"])
        if not errors:
            return left
        # All are blamed before any is gone, as several errors may be one mutant's.
        blames = {n: error[2] for error in errors for n in blamed(left, marks.get(error[0], []), error[1])}
        assert blames, f"errors far from every mutant: {errors}"
        for number, message in blames.items():
            outcome(left.pop(number), "apart", message)


def blamed(mutants, marks, at):
    """The mutants whose text an error is in; or else those that return early from that function; or
    else, where there are none of these, the nearest mutant of the file."""
    around = [(end - start, n) for start, end, n in marks if start <= at <= end]
    if around:
        return {n for size, n in around if size == min(around)[0]}
    before = [(start, n) for start, _, n in marks if start < at and mutants[n]["genre"] == "FnValue"]
    if before:
        span = mutants[max(before)[1]]["span"]
        return {n for _, n in before if mutants[n]["span"] == span}
    return {n for _, n in sorted((abs(start - at), n) for start, _, n in marks)[:1]}


def outcome(mutant, what, why):
    with OUTCOMES.open("a") as file:
        file.write(f"{mutant['name']}\t{what}\t{' '.join(why.split())}\n")


def test(commands, number, limit, **settings):
    """The first test that fails with a mutant, or None, and the seconds of processor time it took."""
    # No shrinking, and the same cases for every mutant.
    env = dict(os.environ, MUTANT=str(number), RUST_BACKTRACE="0", PROPTEST_RNG_SEED="1")
    env.update(PROPTEST_MAX_SHRINK_ITERS="0", **settings)
    failed, spent = None, 0.0
    for command in commands:
        failed, seconds = first_failure(command, env, limit)
        spent += seconds
        if failed:
            break
    return failed, spent


def first_failure(command, env, limit):
    def limits():
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    run = subprocess.Popen(
        command, cwd=TREE, env=env, preexec_fn=limits, text=True, errors="replace",
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )
    failed = None
    for line in run.stdout:
        if line.rstrip().endswith("FAILED"):
            failed = line.split()[1]
            os.kill(run.pid, signal.SIGKILL)
            break
    _, status, used = os.wait4(run.pid, 0)
    run.returncode = os.waitstatus_to_exitcode(status)
    if failed is None and run.returncode != 0:
        out = run.returncode in (-signal.SIGKILL, -signal.SIGXCPU)
        failed = "out of time" if out else f"ended with {run.returncode}"
    name = Path(command[0]).name.rsplit("-", 1)[0]
    return failed and f"{name}: {failed}", used.ru_utime + used.ru_stime


def build(cargo_options):
    form = "--message-format=json-render-diagnostics"
    command = ["cargo", "test", QUICK, "--no-run", form, *cargo_options]
    run = subprocess.run(command, cwd=TREE, stdout=subprocess.PIPE, text=True, check=True)
    messages = [json.loads(line) for line in run.stdout.splitlines()]
    return [m["executable"] for m in messages if m.get("executable")]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--file", action="append", required=True, help="whose mutants; may be repeated")
    options.add_argument("--isa", action="append", choices=TYPES, help="what to compile for (Avx512)")
    options.add_argument("--quick", action="store_true", help="40 cases of each property, and no more for what is left")
    options.add_argument("--skip", action="append", default=[], help="tests to leave out, by a part of their names")
    options.add_argument("tests", nargs="*", help="options of cargo test that choose the tests")
    options = options.parse_args()

    WORK.mkdir(parents=True, exist_ok=True)
    OUTCOMES.touch()
    os.environ.update(CARGO_INCREMENTAL="1", CARGO_TARGET_DIR=str(WORK / "build"))
    os.environ.update(CARGO_PROFILE_TEST_DEBUG="false", CARGO_PROFILE_DEV_DEBUG="false")

    which = [arg for file in options.file for arg in ("--file", file)]
    listed = subprocess.check_output([ROOT / "scripts/mutants.sh", "--list", "--json", *which], text=True)
    listed = [m for m in json.loads(listed)]
    done = {line.split("\t")[0] for line in OUTCOMES.read_text().splitlines()}
    mutants = {n: m for n, m in enumerate(listed) if m["name"] not in done}

    began = time.monotonic()
    isas = options.isa or ["Avx512"]
    copy_sources(isas)
    mutants = plant(mutants, isas)
    skip = [arg for name in options.skip for arg in ("--skip", name)]
    commands = [[binary, *skip] for binary in build(options.tests)]
    print(f"{len(mutants)} mutants compiled in {time.monotonic() - began:.0f} s", flush=True)
    # Few cases of each property catch most mutants; what is left meets all of them.
    for settings in [{"PROPTEST_CASES": "40"}] + [{}] * (not options.quick):
        alone = {}
        for command in commands:
            failed, alone[command[0]] = test([command], UNUSED, 3600, **settings)
            assert failed is None, f"fails without a mutant: {failed}"
        commands.sort(key=lambda command: alone[command[0]])
        seconds = sum(alone.values())
        print(f"{len(mutants)} mutants; all tests take {seconds:.1f} s", flush=True)
        limit = int(5 + 5 * seconds)
        with ThreadPoolExecutor(2) as pool:
            run = lambda number: (number, *test(commands, number, limit, **settings))
            for number, failed, spent in pool.map(run, list(mutants)):
                if failed:
                    what = "timeout" if failed.endswith("out of time") else "caught"
                    outcome(mutants.pop(number), what, f"{failed} ({spent:.1f} s)")
    for mutant in mutants.values():
        outcome(mutant, "missed", "")


if __name__ == "__main__":
    main()
