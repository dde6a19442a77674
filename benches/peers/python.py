"""`cargo bench --bench peers` with JAX and, where installed, PyTorch in the same rounds.

    python3 benches/peers/python.py [what cargo bench --bench peers -- takes]

Sets up a virtual environment under target/ the first time, with JAX in it. It sees the packages of
the Python that runs this, so PyTorch takes part if it is installed there (or, with
`target/peers-venv/bin/pip install torch`, in the environment).
"""

import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ENVIRONMENT = ROOT / "target" / "peers-venv"
REQUIREMENTS = HERE / "requirements.txt"


def interpreter():
    """The environment's Python, with what is required installed."""
    python = ENVIRONMENT / "bin" / "python"
    installed = ENVIRONMENT / "requirements.txt"
    wanted = REQUIREMENTS.read_text()
    if not (installed.exists() and installed.read_text() == wanted):
        venv.create(ENVIRONMENT, with_pip=True, system_site_packages=True)
        install = [python, "-m", "pip", "install", "--quiet", "--requirement", REQUIREMENTS]
        subprocess.run(install, check=True)
        installed.write_text(wanted)
    return python


def main():
    command = ["cargo", "bench", "--bench", "peers", "--", "--python", interpreter()]
    sys.exit(subprocess.run(command + sys.argv[1:], cwd=ROOT).returncode)


if __name__ == "__main__":
    main()
