"""Takes pip, its kin and what installs it out of an image's Python, compiles the standard library where the base ships
no bytecode of it, and lets everybody read what lies beside this. Runs once, when an image is built.
"""

import os
import shutil
import site
import sysconfig
import time
from pathlib import Path

from deploy.image.seal import EPOCH, compiled, settle

UNWANTED = ("pip", "setuptools", "wheel", "pkg_resources", "_distutils_hack", "ensurepip")
RARE = {"test", "idlelib", "lib2to3", "turtledemo", "tkinter", "pydoc_data", "site-packages", "dist-packages"}


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def take_out(folders: set[Path], programs: Path) -> None:
    """Remove installers from the folders of packages, and their commands."""
    for folder in folders:
        for name in UNWANTED:
            for path in (folder / name, *folder.glob(f"{name}-*-info"), *folder.glob("distutils-precedence.pth")):
                remove(path)
    for program in (*programs.glob("pip*"), *programs.glob("wheel*")):
        remove(program)


def main() -> None:
    began = time.time()
    library = Path(sysconfig.get_path("stdlib"))
    packages = {Path(path) for path in (*site.getsitepackages(), sysconfig.get_path("purelib"))}
    take_out({library, *packages}, Path(sysconfig.get_path("scripts")))
    remove(Path("/usr/share/python-wheels"))  # Debian's place for ensurepip's
    compiled(library, levels=0)
    for part in sorted(library.iterdir()):
        if part.is_dir() and part.name not in RARE:
            compiled(part)
    for path in (library, *library.rglob("*")):
        if path.lstat().st_mtime >= began - 1:
            os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)
    settle(Path(__file__).parents[2])


if __name__ == "__main__":
    main()
