"""Look for the system libraries that the wheels of VTK and Qt load; install them on Debian as root, or say how.

Run by ``make``; needs nothing but Python's standard library.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys

# Shared library that the wheels open -> Debian package that brings it.
LIBRARIES = {
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libOSMesa.so.8": "libosmesa6",
    "libX11.so.6": "libx11-6",
    "libXrender.so.1": "libxrender1",
    "libXcursor.so.1": "libxcursor1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgomp.so.1": "libgomp1",
}


def missing_packages() -> list[str]:
    """Return the Debian packages of the libraries that cannot be opened here."""
    packages = []
    for library, package in LIBRARIES.items():
        try:
            ctypes.CDLL(library)
        except OSError:
            packages.append(package)
    return packages


def install(packages: list[str]) -> None:
    """Install ``packages`` with apt; one that the release does not have is passed over."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    quiet = {"env": environment, "stdout": sys.stderr}
    if subprocess.run(["apt-get", "-qq", "update"], check=False, **quiet).returncode == 0:
        for package in packages:
            command = ["apt-get", "-qq", "install", "-y", "--no-install-recommends", package]
            subprocess.run(command, check=False, **quiet)


def main() -> int:
    """Return 0 when all is there, or when what is missing was named on one line."""
    packages = missing_packages() if sys.platform.startswith("linux") else []
    if packages and os.geteuid() == 0 and shutil.which("apt-get"):
        install(packages)
        packages = missing_packages()
    if packages:
        print(f"System libraries are missing: sudo apt-get install -y {' '.join(packages)}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
