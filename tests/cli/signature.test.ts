// `sign` and `verify-signature` (R72-R79, K64, A14): the trailer's bytes, and that no byte of a
// signed payload can be changed unnoticed.

import assert from "node:assert/strict";
import { createHash, generateKeyPairSync } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { readKeys } from "../../host/cli/keys.js";
import { FileError } from "../../host/elf/error.js";
import { keyIdentifier } from "../../host/elf/keys.js";
import { signPayload, verifyPayload } from "../../host/elf/sign.js";
import { MAGIC } from "../../host/elf/signature.js";
import { cli, payload, scratch } from "./support.js";

const DIRECTORY = scratch();
const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 1024 });
const KEYS = join(DIRECTORY, "keys");
mkdirSync(KEYS);
writeFileSync(join(KEYS, "author.pem"), publicKey.export({ type: "spki", format: "pem" }));
const ELF = readFileSync(payload("xsa125"));

function reasonOf(bytes: Uint8Array): string {
  try {
    verifyPayload(bytes, readKeys(KEYS));
    return "good";
  } catch (error) {
    assert.ok(error instanceof FileError, (error as Error).stack);
    return error.reason;
  }
}

describe("the trailer", () => {
  for (const [hash, number] of [
    ["sha256", 4],
    ["sha384", 5],
    ["sha512", 6],
  ] as const) {
    test(`R74-R76: ${hash}, byte for byte`, () => {
      const signed = Buffer.from(signPayload(ELF, { key: privateKey, hash, signer: "author" }));
      assert.deepEqual(signed.subarray(0, ELF.length), ELF);
      const trailer = signed.subarray(ELF.length);
      assert.equal(trailer.subarray(0, 28).toString("latin1"), "~Module signature appended~\n");
      assert.deepEqual([...trailer.subarray(28, 36)], [1, number, 1, 6, 20, 0, 0, 0]);
      assert.equal(trailer.readUInt32BE(36), 128);
      assert.equal(trailer.length, 28 + 12 + 128 + 20 + 6);
      assert.equal(trailer.subarray(-6).toString("latin1"), "author");
      const spki = publicKey.export({ type: "pkcs1", format: "der" });
      const id = createHash("sha1").update(spki).digest();
      assert.deepEqual(trailer.subarray(-26, -6), id);
      assert.deepEqual(Buffer.from(keyIdentifier(privateKey)), id);
    });
  }

  test("R73: verified with the public key alone; the last byte may be the signature's", () => {
    const signed = signPayload(ELF, { key: privateKey, hash: "sha256" });
    assert.equal(verifyPayload(signed, readKeys(KEYS)).signer, "");
  });

  test("no change of a single byte goes unnoticed", () => {
    const signed = signPayload(ELF, { key: privateKey, hash: "sha256" });
    const step = 13;
    for (let at = 0; at < signed.length; at += at < ELF.length ? step : 1) {
      const bytes = signed.slice();
      bytes[at] = (bytes[at] as number) ^ 0x40;
      assert.notEqual(reasonOf(bytes), "good", `byte ${at}`);
    }
  });

  test("each kind of damage has its reason", () => {
    const signed = Buffer.from(signPayload(ELF, { key: privateKey, hash: "sha256" }));
    const header = ELF.length + 28;
    const damage = (at: number, value: number): string => {
      const bytes = Buffer.from(signed);
      bytes[at] = value;
      return reasonOf(bytes);
    };
    assert.equal(reasonOf(ELF), "sig-missing");
    assert.equal(damage(ELF.length, 0), "sig-format");
    assert.equal(damage(header, 0), "sig-algo", "DSA");
    for (const hash of [0, 1, 2, 3, 7, 16]) assert.equal(damage(header + 1, hash), "sig-algo");
    assert.equal(damage(header + 1, 17), "sig-format");
    assert.equal(damage(header + 2, 0), "sig-format", "PGP");
    assert.equal(damage(header + 5, 1), "sig-format", "pad");
    assert.equal(damage(header + 11, 1), "sig-format", "length");
    assert.equal(damage(signed.length - 1, 0), "sig-key-unknown");
    assert.equal(damage(header + 12, 0), "sig-bad");
    assert.equal(damage(100, 0xee), "sig-bad");
    assert.equal(reasonOf(signed.subarray(0, header + 4)), "sig-format");
    const linux = Buffer.concat([ELF, Buffer.alloc(40, 1), MAGIC]);
    assert.equal(reasonOf(linux), "sig-format");
  });
});

describe("the commands", () => {
  const key = join(DIRECTORY, "key.pem");
  writeFileSync(key, privateKey.export({ type: "pkcs8", format: "pem" }));
  const signed = join(DIRECTORY, "signed.xsplice");

  test("sign, then verify", async () => {
    const made = await cli(["sign", payload("xsa125"), "--key", key, "-o", signed, "--json"]);
    assert.equal(made.code, 0, made.err);
    const size = readFileSync(signed).length;
    assert.deepEqual(JSON.parse(made.out), { file: signed, bytes: size });
    const good = await cli(["verify-signature", signed, "--keys", KEYS]);
    assert.equal(good.code, 0, good.err);
    assert.match(good.out, /good signature/);
  });

  test("unsigned, signed twice, no key, a bad hash", async () => {
    const unsigned = await cli(["verify-signature", payload("xsa125"), "--keys", KEYS, "--json"]);
    assert.equal(unsigned.code, 1);
    const { error } = JSON.parse(unsigned.out);
    assert.deepEqual([error.errno, error.code, error.reason], ["ENODATA", -61, "sig-missing"]);
    assert.equal((await cli(["sign", signed, "--key", key, "-o", signed])).code, 1);
    assert.equal((await cli(["sign", payload("xsa125"), "-o", signed])).code, 2);
    const md5 = ["sign", payload("xsa125"), "--key", key, "-o", signed, "--hash", "md5"];
    assert.equal((await cli(md5)).code, 2);
  });
});
