// The RFC's signature trailer: behind the last byte of the ELF file the magic string, a 12-byte
// header, the signature, the key identifier and the signer's name; the signature covers the ELF
// file's bytes as they lie there (RSA, PKCS #1 v1.5). This file only cuts trailers apart and puts
// them together; `sign.ts` and `verify.ts` use the platform's cryptography. Spec: RFC "Signature
// checking requirements"; R72-R79, K64.

import { EBADMSG, ENODATA, EOPNOTSUPP } from "../../assembly/abi.js";
import { FileError } from "./error.js";
import { readElf } from "./reader.js";

export const MAGIC = Buffer.from("~Module signature appended~\n", "latin1");
export const HEADER_SIZE = 12;
export const PKEY_ALGO_RSA = 1;
export const PKEY_ID_X509 = 1;

/** The RFC's HASH_ALGO_* in order; the hypervisor accepts three of them. */
const HASH_NAMES = [
  "md4",
  "md5",
  "sha1",
  "ripemd160",
  "sha256",
  "sha384",
  "sha512",
  "sha224",
  "ripemd128",
  "ripemd256",
  "ripemd320",
  "whirlpool256",
  "whirlpool384",
  "whirlpool512",
  "tiger128",
  "tiger160",
  "tiger192",
] as const;

export const ACCEPTED_HASHES = ["sha256", "sha384", "sha512"] as const;
export type AcceptedHash = (typeof ACCEPTED_HASHES)[number];

export function isAcceptedHash(name: string): name is AcceptedHash {
  return (ACCEPTED_HASHES as readonly string[]).includes(name);
}

export interface Trailer {
  readonly hash: AcceptedHash;
  readonly signature: Uint8Array;
  readonly keyId: Uint8Array;
  /** The signer's name; empty if the trailer gives none. */
  readonly signer: string;
}

/** Puts a trailer together. */
export function encodeTrailer({ hash, signature, keyId, signer }: Trailer): Uint8Array {
  const name = Buffer.from(signer, "utf8");
  const header = Buffer.alloc(HEADER_SIZE);
  header[0] = PKEY_ALGO_RSA;
  header[1] = HASH_NAMES.indexOf(hash);
  header[2] = PKEY_ID_X509;
  header[3] = name.length;
  header[4] = keyId.length;
  header.writeUInt32BE(signature.length, 8);
  return Buffer.concat([MAGIC, header, signature, keyId, name]);
}

function format(message: string): FileError {
  return new FileError(EBADMSG, "sig-format", message);
}

function hashOf(header: Buffer): AcceptedHash {
  const number = header[1] ?? 0;
  const name = HASH_NAMES[number];
  if (name === undefined) throw format(`the RFC has no hash algorithm ${number}`);
  if (!isAcceptedHash(name))
    throw new FileError(EOPNOTSUPP, "sig-algo", `the hash ${name} is not accepted`);
  return name;
}

function decodeTrailer(bytes: Buffer): Trailer {
  if (bytes.subarray(-MAGIC.length).equals(MAGIC))
    throw format(
      "the signature is laid out as Linux does it, the magic string last; the RFC has it first",
    );
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC))
    throw format("what follows the ELF file is no signature trailer");
  const header = bytes.subarray(MAGIC.length, MAGIC.length + HEADER_SIZE);
  if (header.length < HEADER_SIZE) throw format("the trailer ends inside its header");
  const [algorithm = 0, , idType = 0, signerLength = 0, keyIdLength = 0] = header;
  if (header.subarray(5, 8).some((byte) => byte !== 0))
    throw format("the header's pad is not zero");
  if (algorithm !== PKEY_ALGO_RSA)
    throw new FileError(
      EOPNOTSUPP,
      "sig-algo",
      `the public-key algorithm ${algorithm === 0 ? "DSA" : algorithm} is not accepted`,
    );
  const hash = hashOf(header);
  if (idType !== PKEY_ID_X509) throw format(`the key identifier's type ${idType} is not X509`);
  const lengths = [header.readUInt32BE(8), keyIdLength, signerLength];
  const body = MAGIC.length + HEADER_SIZE;
  const stated = lengths.reduce((sum, length) => sum + length, body);
  if (stated !== bytes.length)
    throw format(`the trailer has ${bytes.length} bytes, its header says ${stated}`);
  const [keyAt, nameAt] = [body + (lengths[0] ?? 0), stated - signerLength];
  return {
    hash,
    signature: bytes.subarray(body, keyAt),
    keyId: bytes.subarray(keyAt, nameAt),
    signer: bytes.subarray(nameAt).toString("utf8"),
  };
}

/** Splits a payload into the signed bytes and its trailer, if it has one. */
export function splitSigned(file: Uint8Array): { elf: Uint8Array; trailer: Trailer | undefined } {
  const { end } = readElf(file);
  const rest = Buffer.from(file.subarray(end));
  return { elf: file.subarray(0, end), trailer: rest.length > 0 ? decodeTrailer(rest) : undefined };
}

/** The same for a file that must be signed. */
export function requireSigned(file: Uint8Array): { elf: Uint8Array; trailer: Trailer } {
  const { elf, trailer } = splitSigned(file);
  if (!trailer) throw new FileError(ENODATA, "sig-missing", "the payload is not signed");
  return { elf, trailer };
}
