// `sign` and `verify-signature`: the RFC's trailer made and checked with the platform's RSA. A
// verification here asks the same questions in the same order as the hypervisor and its firmware,
// so that an author learns beforehand what a machine booted with --require-signature will say.
// R72-R79, K64, A14.

import { createSign, createVerify, type KeyObject } from "node:crypto";
import { EACCES, EINVAL, EPERM } from "../../assembly/abi.js";
import { FileError } from "./error.js";
import { keyIdentifier, type VerifyKey } from "./keys.js";
import { type AcceptedHash, encodeTrailer, requireSigned, splitSigned } from "./signature.js";

export interface SignOptions {
  readonly key: KeyObject;
  readonly hash: AcceptedHash;
  /** Must be the common name of the certificate that will verify it; none is written without. */
  readonly signer?: string | undefined;
}

/** The payload with a trailer. One that has a trailer already is refused. */
export function signPayload(file: Uint8Array, { key, hash, signer = "" }: SignOptions): Uint8Array {
  const { elf, trailer } = splitSigned(file);
  if (trailer) throw new FileError(EINVAL, "sig-format", "the payload is signed already");
  if (Buffer.byteLength(signer) > 255)
    throw new FileError(EINVAL, "sig-format", "a signer's name has at most 255 bytes");
  const signature = createSign(hash).update(elf).sign(key);
  const added = encodeTrailer({ hash, signature, keyId: keyIdentifier(key), signer });
  const signed = new Uint8Array(elf.length + added.length);
  signed.set(elf);
  signed.set(added, elf.length);
  return signed;
}

export interface Verified {
  readonly key: VerifyKey;
  readonly hash: AcceptedHash;
  readonly signer: string;
}

/** Verifies a payload's trailer against the keys, or throws what is wrong with it. */
export function verifyPayload(file: Uint8Array, keys: readonly VerifyKey[]): Verified {
  const { elf, trailer } = requireSigned(file);
  const { hash, keyId, signature, signer } = trailer;
  const known = keys.filter(({ id }) => Buffer.from(id).equals(keyId));
  const hex = Buffer.from(keyId).toString("hex");
  if (known.length === 0)
    throw new FileError(EACCES, "sig-key-unknown", `no key has the identifier ${hex}`);
  const key = known.find(({ name }) => signer === "" || name === signer);
  if (!key)
    throw new FileError(
      EACCES,
      "sig-key-unknown",
      `the certificate of key ${hex} is not that of "${signer}"`,
    );
  if (!createVerify(hash).update(elf).verify(key.key, signature))
    throw new FileError(EPERM, "sig-bad", `the signature is not the one that key ${hex} makes`);
  return { key, hash, signer };
}
