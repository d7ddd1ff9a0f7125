"""Sluice's programs for the outer machine: a small file system that is made anew whenever one of them has changed.

bin/ has the programs of the build that are of use there, and lib/ the shared libraries that they need.
"""

import glob
import hashlib
import os
import shutil
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("SLUICE_BUILD", os.path.join(ROOT, "build"))
PLACES = ("src/**", "guest/bare/*", "tests/kvm/*", "tests/modules/*", "tests/unit/vmm_*")  # of the unit tests, those that want a KVM
MODULE = "src/offload/modules/echo/echo.so"
MKE2FS = shutil.which("mke2fs", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
SIZE_MIB = 256  # always: the outer machine knows its disks before it sees what is on them


def programs():
    """Their paths."""
    found = [path for place in PLACES for path in glob.glob(os.path.join(BUILD, place), recursive=True)
             if os.access(path, os.X_OK) and os.path.isfile(path) and (not path.endswith(".so") or path.endswith(MODULE))]
    if not any(os.path.basename(path) == "sluice" for path in found):
        raise FileNotFoundError(f"{BUILD} has no program 'sluice': build it with make")
    return sorted(found)


def folders():
    """Where they are, for a PATH."""
    return sorted({os.path.dirname(path) for path in programs()})


def libraries(paths):
    """The paths of the shared libraries that they need."""
    run = subprocess.run(["ldd", *paths], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return sorted({line.split()[2] for line in run.stdout.splitlines() if "=> /" in line})


def key_of(paths):
    stats = [(path, os.stat(path)) for path in paths]
    return hashlib.sha256(repr([(path, stat.st_size, stat.st_mtime_ns) for path, stat in stats]).encode()).hexdigest()


def copy_all(paths, folder):
    os.makedirs(folder)
    for path in paths:
        shutil.copy2(path, folder)


def write_image(paths, image):
    """A machine that has the old image open keeps it."""
    with tempfile.TemporaryDirectory(dir=os.path.dirname(image)) as work:
        copy_all(paths, os.path.join(work, "root", "bin"))
        copy_all(libraries(paths), os.path.join(work, "root", "lib"))
        subprocess.run([MKE2FS, "-q", "-t", "ext4", "-O", "^has_journal", "-d", os.path.join(work, "root"),
                        os.path.join(work, "image"), f"{SIZE_MIB}M"], check=True, stdout=subprocess.DEVNULL)
        os.replace(os.path.join(work, "image"), image)


def image_in(directory):
    """The path of the image with the programs as they are now."""
    paths = programs()
    image, stamp, key = (*(os.path.join(directory, name) for name in ("programs.ext4", "programs.key")), key_of(paths))
    try:
        with open(stamp, encoding="ascii") as file:
            if file.read() == key and os.path.exists(image):
                return image
    except FileNotFoundError:
        pass
    write_image(paths, image)
    with open(stamp, "w", encoding="ascii") as file:
        file.write(key)
    return image
