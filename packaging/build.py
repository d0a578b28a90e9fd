#!/usr/bin/env python3
"""Packs built binaries in every way in which people get ba-agent.

    build.py archives  BINARIES OUT    ba-agent-TARGET.tar.gz (.zip for Windows), and SHA256SUMS
    build.py npm       BINARIES OUT    one package for each platform, and `ba-agent` that chooses
    build.py wheels    BINARIES OUT    one wheel for each platform
    build.py homebrew  ARCHIVES OUT    ba-agent.rb, out of the checksums of the archives
    build.py checksums FOLDER          SHA256SUMS of the files in a folder

BINARIES holds TARGET/ba-agent (TARGET/ba-agent.exe for Windows), as `build-release` leaves them;
targets that are missing are left out. Needs Python 3.9 and nothing beside it. The same binaries
give the same bytes: files are sorted, and have the time of SOURCE_DATE_EPOCH, else 1980.
"""

import base64
import gzip
import hashlib
import io
import json
import os
import re
import sys
import tarfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REPOSITORY = "https://github.com/ba-agent/ba-agent"
SUMMARY = "A package manager for agent skills: install, pin, verify, update and remove SKILL.md folders"
# Static: the one Linux binary runs with glibc and with musl, so neither npm nor pip must choose.
TARGETS = {
    "x86_64-unknown-linux-musl": {
        "npm": ("linux", "x64"),
        "wheel": "manylinux_2_17_x86_64.manylinux2014_x86_64.musllinux_1_1_x86_64",
        "brew": ("linux", "intel"),
    },
    "aarch64-unknown-linux-musl": {
        "npm": ("linux", "arm64"),
        "wheel": "manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64",
        "brew": ("linux", "arm"),
    },
    "x86_64-apple-darwin": {
        "npm": ("darwin", "x64"),
        "wheel": "macosx_10_12_x86_64",
        "brew": ("macos", "intel"),
    },
    "aarch64-apple-darwin": {
        "npm": ("darwin", "arm64"),
        "wheel": "macosx_11_0_arm64",
        "brew": ("macos", "arm"),
    },
    "x86_64-pc-windows-msvc": {"npm": ("win32", "x64"), "wheel": "win_amd64", "brew": None},
}


def version() -> str:
    text = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    return re.search(r'^\[workspace\.package\]\nversion = "([^"]+)"', text, re.MULTILINE).group(1)


def epoch() -> int:
    return max(int(os.environ.get("SOURCE_DATE_EPOCH") or 0), 315532800)


def found(binaries: Path):
    """Target, facts and binary of each platform that was built, in the order of TARGETS."""
    some = False
    for target, facts in TARGETS.items():
        name = "ba-agent.exe" if "windows" in target else "ba-agent"
        binary = binaries / target / name
        if binary.is_file():
            some = True
            yield target, facts, binary
    if not some:
        sys.exit(f"no binary in {binaries}: expected TARGET/ba-agent, TARGET being one of {', '.join(TARGETS)}")


def licences():
    return [ROOT / "LICENSE-APACHE", ROOT / "LICENSE-MIT"]


def beside(binary: Path):
    """The files of a release archive: name in it, bytes, mode."""
    yield binary.name, binary.read_bytes(), 0o755
    for file in [*licences(), ROOT / "README.md", ROOT / "CHANGELOG.md"]:
        yield file.name, file.read_bytes(), 0o644
    for folder in ["completions", "man"]:
        for file in sorted((ROOT / folder).iterdir()):
            yield f"{folder}/{file.name}", file.read_bytes(), 0o644


def write_tar_gz(file: Path, entries) -> None:
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0, compresslevel=9) as stream:
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for name, content, mode in entries:
                info = tarfile.TarInfo(name)
                info.size, info.mode, info.mtime = len(content), mode, epoch()
                archive.addfile(info, io.BytesIO(content))
    file.write_bytes(packed.getvalue())


def write_zip(file: Path, entries) -> None:
    stamp = time.gmtime(epoch())[:6]
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content, mode in entries:
            info = zipfile.ZipInfo(name, stamp)
            info.create_system = 3
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (0o100000 | mode) << 16
            archive.writestr(info, content)


def archives(binaries: Path, out: Path) -> None:
    for target, _, binary in found(binaries):
        top = f"ba-agent-{target}"
        entries = [(f"{top}/{name}", content, mode) for name, content, mode in beside(binary)]
        if "windows" in target:
            write_zip(out / f"{top}.zip", entries)
        else:
            write_tar_gz(out / f"{top}.tar.gz", entries)
    checksums(out)


def checksums(folder: Path) -> None:
    files = sorted(f for f in folder.iterdir() if f.is_file() and f.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(f.read_bytes()).hexdigest()}  {f.name}\n" for f in files]
    (folder / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


def npm(binaries: Path, out: Path) -> None:
    common = {
        "version": version(),
        "license": "MIT OR Apache-2.0",
        "repository": {"type": "git", "url": f"git+{REPOSITORY}.git"},
        "homepage": REPOSITORY,
    }
    platforms = {}
    for target, facts, binary in found(binaries):
        system, cpu = facts["npm"]
        name = f"@ba-agent/{system}-{cpu}"
        platforms[name] = version()
        folder = out / f"{system}-{cpu}"
        (folder / "bin").mkdir(parents=True)
        place = folder / "bin" / binary.name
        place.write_bytes(binary.read_bytes())
        place.chmod(0o755)
        package = {
            "name": name,
            "description": f"The binary of ba-agent for {target}",
            **common,
            "os": [system],
            "cpu": [cpu],
            "files": ["bin"],
            "preferUnplugged": True,
        }
        finish_npm(folder, package, f"The binary of [ba-agent]({REPOSITORY}) for {target}. Install `ba-agent`.\n")
    package = {
        "name": "ba-agent",
        "description": SUMMARY,
        **common,
        "keywords": ["agent", "skills", "package-manager", "claude", "SKILL.md"],
        "bin": {"ba-agent": "bin.js"},
        "files": ["bin.js"],
        "engines": {"node": ">=18"},
        "optionalDependencies": platforms,
    }
    folder = out / "ba-agent"
    folder.mkdir(parents=True)
    (folder / "bin.js").write_bytes((ROOT / "packaging/npm/bin.js").read_bytes())
    (folder / "bin.js").chmod(0o755)
    finish_npm(folder, package, (ROOT / "README.md").read_text(encoding="utf-8"))


def finish_npm(folder: Path, package: dict, readme: str) -> None:
    (folder / "package.json").write_text(json.dumps(package, indent=2) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(readme, encoding="utf-8")
    for file in licences():
        (folder / file.name).write_bytes(file.read_bytes())


def pep440(text: str) -> str:
    """`1.0.0-rc.1` as Python writes it: `1.0.0rc1`."""
    return re.sub(r"-(alpha|beta|rc)\.?(\d+)$", lambda m: {"alpha": "a", "beta": "b"}.get(m[1], m[1]) + m[2], text)


def wheels(binaries: Path, out: Path) -> None:
    number = pep440(version())
    info = f"ba_agent-{number}.dist-info"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    metadata = (
        f"Metadata-Version: 2.4\nName: ba-agent\nVersion: {number}\nSummary: {SUMMARY}\n"
        f"Project-URL: Source, {REPOSITORY}\nLicense-Expression: MIT OR Apache-2.0\n"
        "License-File: LICENSE-APACHE\nLicense-File: LICENSE-MIT\nRequires-Python: >=3.7\n"
        f"Description-Content-Type: text/markdown\n\n{readme}"
    )
    for _, facts, binary in found(binaries):
        tags = "".join(f"Tag: py3-none-{tag}\n" for tag in facts["wheel"].split("."))
        wheel = f"Wheel-Version: 1.0\nGenerator: ba-agent packaging\nRoot-Is-Purelib: false\n{tags}"
        entries = [(f"ba_agent-{number}.data/scripts/{binary.name}", binary.read_bytes(), 0o755)]
        entries += [(f"{info}/licenses/{f.name}", f.read_bytes(), 0o644) for f in licences()]
        entries += [(f"{info}/METADATA", metadata.encode(), 0o644), (f"{info}/WHEEL", wheel.encode(), 0o644)]
        record = "".join(
            f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b'=').decode()},{len(content)}\n"
            for name, content, _ in entries
        )
        entries.append((f"{info}/RECORD", f"{record}{info}/RECORD,,\n".encode(), 0o644))
        write_zip(out / f"ba_agent-{number}-py3-none-{facts['wheel']}.whl", entries)


def homebrew(folder: Path, out: Path) -> None:
    sums = dict(reversed(line.split(None, 1)) for line in (folder / "SHA256SUMS").read_text().splitlines())
    sums = {name.strip(): digest for name, digest in sums.items()}
    blocks = []
    for system in ["macos", "linux"]:
        lines = []
        for target, facts in TARGETS.items():
            file = f"ba-agent-{target}.tar.gz"
            if facts["brew"] is None or facts["brew"][0] != system or file not in sums:
                continue
            address = f"{REPOSITORY}/releases/download/v{version()}/{file}"
            lines.append(
                f'    on_{facts["brew"][1]} do\n      url "{address}"\n      sha256 "{sums[file]}"\n    end\n'
            )
        if lines:
            blocks.append(f"  on_{system} do\n{''.join(lines)}  end\n\n")
    if not blocks:
        sys.exit(f"no archive for macOS or Linux in {folder}/SHA256SUMS")
    template = (ROOT / "packaging/homebrew/ba-agent.rb.in").read_text(encoding="utf-8")
    text = template.replace("@VERSION@", version()).replace("@REPOSITORY@", REPOSITORY)
    (out / "ba-agent.rb").write_text(text.replace("@PLATFORMS@\n", "".join(blocks)), encoding="utf-8")


def main() -> None:
    commands = {"archives": archives, "npm": npm, "wheels": wheels, "homebrew": homebrew}
    arguments = sys.argv[1:]
    if len(arguments) == 2 and arguments[0] == "checksums":
        checksums(Path(arguments[1]))
    elif len(arguments) == 3 and arguments[0] in commands:
        out = Path(arguments[2])
        out.mkdir(parents=True, exist_ok=True)
        commands[arguments[0]](Path(arguments[1]), out)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
