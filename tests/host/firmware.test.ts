// Signed payloads through the library (R72-R79, K38, A14): the firmware's verdicts, an asynchronous
// answer as -EAGAIN, key stores, certificates.

import assert from "node:assert/strict";
import { createPrivateKey, createSign, generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import * as abi from "../../host/abi.js";
import { keyIdentifier } from "../../host/elf/keys.js";
import { signPayload } from "../../host/elf/sign.js";
import { decodeKeyStore, encodeKeyStore } from "../../host/firmware.js";
import {
  createMachine,
  type Firmware,
  type Machine,
  platformFirmware,
  readCertificates,
  type SignatureRequest,
  XenControl,
  XenError,
} from "../../host/index.js";
import { inRoot } from "../support/root.js";

const ELF = readFileSync(inRoot("images/payloads/xsa125.xsplice"));
const CERTIFICATE = readFileSync(inRoot("tests/cli/keys/author.crt"));
const KEY = createPrivateKey(readFileSync(inRoot("tests/cli/keys/author.key")));
const STRANGER = generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey;
const SIGNED = signPayload(ELF, { key: KEY, hash: "sha256" });

async function machineWith(firmware?: Firmware): Promise<Machine> {
  const keys = await readCertificates(CERTIFICATE);
  return createMachine({ keys, requireSignature: true, ...(firmware ? { firmware } : {}) });
}

async function outcome(machine: Machine, file: Uint8Array): Promise<string> {
  const before = machine.stateHash();
  try {
    await new XenControl(machine).upload("fix", file);
  } catch (error) {
    assert.ok(error instanceof XenError, String(error));
    assert.equal(machine.stateHash(), before, "a refused upload leaves nothing behind");
    return `${error.errno} ${error.reason}`;
  }
  await new XenControl(machine).unload("fix");
  assert.equal(machine.stateHash(), before);
  return "good";
}

describe("a machine that requires signatures", () => {
  test("takes what is signed, whatever the hash", async () => {
    const machine = await machineWith();
    for (const hash of ["sha256", "sha384", "sha512"] as const) {
      assert.equal(await outcome(machine, signPayload(ELF, { key: KEY, hash })), "good");
    }
  });

  test("refuses what is not, each for its reason", async () => {
    const machine = await machineWith();
    assert.equal(await outcome(machine, ELF), "ENODATA sig-missing");
    const foreign = signPayload(ELF, { key: STRANGER, hash: "sha256" });
    assert.equal(await outcome(machine, foreign), "EACCES sig-key-unknown");
    const wrongName = signPayload(ELF, { key: KEY, hash: "sha256", signer: "somebody" });
    assert.equal(await outcome(machine, wrongName), "EACCES sig-key-unknown");
    const spoilt = SIGNED.slice();
    const at = Buffer.from(ELF).indexOf("xsa125\0");
    spoilt[at] = 0x79;
    assert.equal(await outcome(machine, spoilt), "EPERM sig-bad");
    assert.match(await outcome(machine, SIGNED.subarray(0, -1)), /^EBADMSG sig-format$/);
    assert.equal(await outcome(machine, SIGNED), "good");
  });

  test("verification is asynchronous: -EAGAIN until the answer is there (K38, R100)", async () => {
    const asked: SignatureRequest[] = [];
    let answer: (verdict: number) => void = () => assert.fail("nobody asked");
    const machine = await machineWith({
      verify(request) {
        asked.push(request);
        return new Promise((resolve) => {
          answer = resolve;
        });
      },
    });
    const xc = new XenControl(machine);
    let done = false;
    const upload = xc.upload("fix", SIGNED).then(() => {
      done = true;
    });
    await new Promise(setImmediate);
    assert.deepEqual([done, machine.info().payloads], [false, 0], "not listed meanwhile");
    assert.deepEqual(asked[0]?.data, new Uint8Array(ELF), "what is signed is the ELF file");
    assert.equal(asked[0]?.hash, abi.HASH_ALGO_SHA256);
    answer(0);
    await upload;
    assert.equal(asked.length, 1, "one upload, one question");
    assert.equal((await xc.get("fix")).status, abi.XSPLICE_STATUS_LOADED);
  });

  test("a firmware that fails has not verified anything", async () => {
    const machine = await machineWith({ verify: () => Promise.reject(new Error("broken")) });
    assert.equal(await outcome(machine, SIGNED), "EPERM sig-bad");
  });

  test("keys are part of the machine and come back with a snapshot", async () => {
    const machine = await createMachine({ snapshot: (await machineWith()).snapshot() });
    assert.equal(await outcome(machine, SIGNED), "good");
    assert.equal(await outcome(machine, ELF), "ENODATA sig-missing");
  });
});

describe("the firmware of the platform", () => {
  const request = async (change: Partial<SignatureRequest> = {}): Promise<SignatureRequest> => ({
    hash: abi.HASH_ALGO_SHA256,
    data: ELF,
    signature: createSign("sha256").update(ELF).sign(KEY),
    keyId: keyIdentifier(KEY),
    signer: new Uint8Array(),
    certificates: await readCertificates(CERTIFICATE),
    ...change,
  });
  const verdict = async (change: Partial<SignatureRequest> = {}): Promise<number> =>
    platformFirmware().verify(await request(change));

  test("verdicts", async () => {
    assert.equal(await verdict(), 0);
    assert.equal(await verdict({ data: ELF.subarray(1) }), abi.REASON_SIG_BAD);
    assert.equal(await verdict({ signature: new Uint8Array(3) }), abi.REASON_SIG_BAD);
    assert.equal(await verdict({ hash: abi.HASH_ALGO_SHA512 }), abi.REASON_SIG_BAD);
    assert.equal(await verdict({ hash: 2 }), abi.REASON_SIG_ALGO);
    assert.equal(await verdict({ keyId: new Uint8Array(20) }), abi.REASON_SIG_KEY_UNKNOWN);
    assert.equal(await verdict({ certificates: [] }), abi.REASON_SIG_KEY_UNKNOWN);
    const nobody = new TextEncoder().encode("nobody");
    assert.equal(await verdict({ signer: nobody }), abi.REASON_SIG_KEY_UNKNOWN);
  });

  test("key stores come back as they went", async () => {
    const store = encodeKeyStore([new Uint8Array([1]), new Uint8Array([2, 3])]);
    assert.deepEqual(decodeKeyStore(store), [new Uint8Array([1]), new Uint8Array([2, 3])]);
    assert.deepEqual(decodeKeyStore(store.subarray(0, -1)), [new Uint8Array([1])]);
    assert.deepEqual(decodeKeyStore(new Uint8Array()), []);
  });

  test("certificates are read from PEM, from several in one file, and from DER", async () => {
    const [der] = await readCertificates(CERTIFICATE);
    assert.ok(der);
    assert.deepEqual(await readCertificates(der), [der]);
    const twice = Buffer.concat([CERTIFICATE, Buffer.from("\n"), CERTIFICATE]);
    assert.deepEqual(await readCertificates(twice), [der, der]);
    for (const bad of [
      "",
      "no certificate",
      "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----",
    ]) {
      await assert.rejects(
        readCertificates(Buffer.from(bad)),
        (error) => error instanceof XenError && error.reason === "certificate",
      );
    }
  });

  test("more keys than the machine holds are refused", async () => {
    const many = Array.from({ length: 300 }, () => new Uint8Array(1000).fill(1));
    await assert.rejects(
      createMachine({ keys: many }),
      (error) => error instanceof XenError && error.errno === "ENOSPC",
    );
  });
});
