"""Who made a bundle: an Ed25519 signature over its manifest, which holds the hash of every other file.

The hashes tell that a bundle is whole; the signature tells that it comes from the holder of a key. Signing is optional
and needs the package ``cryptography``.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

from ...errors import BundleError, StorageError
from ...files import atomic_file
from .bundle import MANIFEST_NAME, SIGNATURE_NAME, Bundle


def make_key(path: str | os.PathLike) -> Path:
    """Write a new private key (PEM, readable by its owner only) and, beside it, the public key ``.pub``.

    Returns
    -------
    Path
        The public key, to be given to those who receive bundles.

    Raises
    ------
    StorageError
        There is a key already, or the disk cannot be written.
    """
    path = Path(path)
    public = path.with_name(path.name + ".pub")
    for file in (path, public):
        if file.exists():
            raise StorageError(file, expected="no file", found="one", remedy="Choose another name for the new key.")
    ed25519, serialization = _cryptography()
    key = ed25519.Ed25519PrivateKey.generate()
    pem = serialization.Encoding.PEM
    with atomic_file(path) as temporary:
        temporary.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    path.chmod(0o600)
    with atomic_file(public) as temporary:
        temporary.write_bytes(key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    return public


def sign(bundle: Bundle, key: str | os.PathLike) -> Path:
    """Sign a verified bundle with a private key; returns the signature's file.

    Raises
    ------
    BundleError
        The key is no Ed25519 private key, or ``cryptography`` is not installed.
    """
    _, serialization = _cryptography()
    private = _key(key, lambda content: serialization.load_pem_private_key(content, password=None), "sign")
    with atomic_file(bundle.path / SIGNATURE_NAME) as temporary:
        temporary.write_bytes(private.sign((bundle.path / MANIFEST_NAME).read_bytes()))
    return bundle.path / SIGNATURE_NAME


def require_signed_by(bundle: Bundle, public_key: str | os.PathLike) -> None:
    """Raise `BundleError` unless a bundle was signed by the holder of a key, and not changed since."""
    from cryptography.exceptions import InvalidSignature

    _, serialization = _cryptography()
    public = _key(public_key, serialization.load_pem_public_key, "verify")
    file = bundle.path / SIGNATURE_NAME
    if not file.is_file():
        raise BundleError(file, expected="a signature", found="an unsigned bundle", remedy="Ask its sender to sign it.")
    try:
        public.verify(file.read_bytes(), (bundle.path / MANIFEST_NAME).read_bytes())
    except InvalidSignature as error:
        raise BundleError(
            file, expected=f"a signature by the holder of {public_key}", found="another one, or a changed manifest",
            remedy="Do not use this bundle; ask its sender for it, and for the public key, by another way.",
        ) from error  # fmt: skip


def _key(path: str | os.PathLike, read, use: str):
    try:
        key = read(Path(path).read_bytes())
    except (OSError, ValueError, TypeError) as error:
        raise BundleError(
            path, expected="an Ed25519 key in PEM format", found=str(error).splitlines()[0],
            remedy="Make one with 'lvm model key'.",
        ) from error  # fmt: skip
    if not hasattr(key, use) or "ed25519" not in type(key).__name__.lower():
        raise BundleError(
            path, expected=f"an Ed25519 key that can {use}", found=type(key).__name__,
            remedy="Sign with the private key; verify with the public one (.pub).",
        )  # fmt: skip
    return key


def _cryptography() -> tuple[ModuleType, ModuleType]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise BundleError(
            "signature", expected="the package cryptography", found="it is not installed",
            remedy="Install it: pip install cryptography. Bundles also work without signatures.",
        ) from error  # fmt: skip
    return ed25519, serialization
