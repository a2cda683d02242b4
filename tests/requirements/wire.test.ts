// The sysctl of the RFC as a guest meets it (requirements A6): numbers, order of checks, what
// is written and what is not, by structures in the guest's own memory.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as abi from "../../host/abi.js";
import { createMachine, type Machine, marshal } from "../../host/index.js";
import { buildPayload, trampoline } from "../engine/payload.js";
import { APPLIED, Bench, CHECKED, LOADED, REVERTED, refused, sample } from "../engine/support.js";
import { action, list, RAM, reasonOf, renamed, sysctl, wireId, witness } from "./support.js";

const FILE = sample("xsa125");

/** UPLOAD with the bytes at `payload`; rc and reason. */
function upload(machine: Machine, id: string, size: bigint, payload: bigint): [number, string] {
  const { rc } = sysctl(machine, { op: "upload", id: wireId(id), size, payload });
  return [rc, rc < 0 ? reasonOf(machine) : "none"];
}

/** The machine with `FILE` in the memory of domain 0. */
async function withFile(): Promise<Machine> {
  const machine = await createMachine();
  machine.write(RAM + 0x10000n, FILE, { domain: 0 });
  return machine;
}

describe("numbers of the interface", () => {
  test("R84-R88: operations, states and actions as the header has them", async () => {
    const b = await Bench.boot();
    const sub = (op: Parameters<typeof marshal>[0]): number[] => {
      const view = new DataView(marshal(op).buffer);
      return [view.getUint32(0, true), view.getUint32(8, true)];
    };
    const id = wireId("p");
    assert.equal(id.length, 40, "R86");
    assert.deepEqual(sub({ op: "upload", id, size: 1n, payload: 1n }), [24, 0]);
    assert.deepEqual(sub({ op: "get", id, status: 0 }), [24, 1]);
    assert.deepEqual(sub({ op: "list", version: 0, idx: 0, nr: 0, summary: 0n }), [24, 2]);
    assert.deepEqual(sub({ op: "action", id, cmd: 1, time: 0n }), [24, 3]);
    // and what the machine makes of the numbers: R87, R88
    await b.upload("p", FILE);
    assert.equal(await b.status("p"), 0x1);
    for (const [cmd, end] of [
      [1, 0x4],
      [4, 0x8],
      [3, 0x10],
    ] as const) {
      assert.equal(action(b.machine, "p", cmd), 0);
      assert.equal(await b.status("p"), 0x2, "PROGRESS");
      b.machine.run();
      assert.equal(await b.status("p"), end);
    }
    assert.equal(action(b.machine, "p", 5), -abi.ENOSYS, "K41: LOADED is no action");
    assert.equal(action(b.machine, "p", 2), 0);
    assert.equal(action(b.machine, "p", 2), -abi.ENOENT);
  });

  test("R87: an error is the negative errno, and stays until the next action", async () => {
    const b = await Bench.boot();
    await b.upload("small", sample("too-small"));
    assert.equal(action(b.machine, "small", 1), 0, "R119: the outcome is in the status");
    b.machine.run();
    assert.equal(await b.status("small"), -abi.ENOSPC);
    assert.equal(await b.status("small"), -abi.ENOSPC);
  });
});

describe("UPLOAD", () => {
  test("R97: id, size, handle, duplicate: in that order", async () => {
    const machine = await withFile();
    const bad = 0xffff_82d0_8011_2f9en;
    assert.deepEqual(upload(machine, "", 0n, bad), [-abi.EINVAL, "id-empty"]);
    assert.deepEqual(upload(machine, "p", 0n, bad), [-abi.EINVAL, "size-zero"]);
    const size = BigInt(FILE.length);
    assert.deepEqual(upload(machine, "p", size, bad), [-abi.EFAULT, "arg-fault"]);
    assert.deepEqual(upload(machine, "p", size, RAM + 0x10000n), [0, "none"]);
    const same = witness(machine);
    assert.deepEqual(upload(machine, "p", size, bad), [-abi.EFAULT, "arg-fault"]);
    assert.deepEqual(upload(machine, "p", 0n, bad), [-abi.EINVAL, "size-zero"]);
    const twice = upload(machine, "p", size, RAM + 0x10000n);
    assert.deepEqual(twice, [-abi.EEXIST, "id-exists"], "R96");
    same();
  });

  test("R95: a payload that is LOADED has changed nothing that anybody executes", async () => {
    const b = await Bench.boot();
    const image = b.image();
    await b.upload("p", FILE);
    assert.equal(await b.status("p"), LOADED);
    assert.deepEqual(b.image(), image);
    assert.deepEqual(b.machine.map(), []);
  });

  test("R98: no memory is -ENOMEM, and everything is given back", async () => {
    const b = await Bench.boot();
    const code = new Uint8Array(24 << 20);
    const big = (n: number): Uint8Array => {
      new DataView(code.buffer).setUint32(0, n);
      return buildPayload({ places: [trampoline("check_even", 24, code)] });
    };
    let count = 0;
    let same = witness(b.machine);
    for (; ; count++) {
      assert.ok(count < 64, "memory has an end");
      const file = big(count);
      const outcome = await b.upload(`p${count}`, file).then(
        () => "loaded",
        (error) => `${error.errno} ${error.reason}`,
      );
      if (outcome !== "loaded") {
        assert.match(outcome, /^ENOMEM (no-memory|no-va)$/);
        break;
      }
      same = witness(b.machine);
    }
    same();
    const full = b.machine.stateHash();
    await b.upload("small", FILE);
    await b.xc.unload("small");
    assert.equal(b.machine.stateHash(), full);
  });

  test("R99: a payload that ends behind the guest's memory is -EFAULT, all freed", async () => {
    const machine = await withFile();
    const same = witness(machine);
    const end = RAM + BigInt(abi.DOM0_RAM_BYTES);
    for (const size of [4096n, 4097n, 65536n, 1n << 20n]) {
      const at = end - size + 1n;
      assert.deepEqual(upload(machine, "p", size, at), [-abi.EFAULT, "arg-fault"], `${size}`);
      same();
    }
    assert.equal(sysctl(machine, { op: "get", id: wireId("p"), status: 0 }).rc, -abi.ENOENT);
  });

  test("R102: a line on the console says size, place and the first bytes", async () => {
    const b = await Bench.boot();
    await b.upload("p", FILE);
    const line = new RegExp(
      `^xsplice_upload: size ${FILE.length} [0-9a-f]+ \\[7f 45 \\.\\.\\]$`,
      "m",
    );
    assert.match(b.printed.join(""), line);
  });

  test("R226: of two uploads of one id that are under way exactly one wins", async () => {
    // The firmware holds both; whoever it answers first is in, the other finds the id taken.
    for (const first of [0, 1]) {
      const { machine, files, answers } = await undecided();
      const at = RAM + 0x10000n;
      for (const [domain, file] of files.entries()) machine.write(at, file, { domain });
      const send = (domain: number): [number, string] => {
        const size = BigInt((files[domain] as Uint8Array).length);
        const op = { op: "upload", id: wireId("p"), size, payload: at } as const;
        const { rc } = sysctl(machine, op, domain);
        return [rc, rc < 0 ? reasonOf(machine) : "none"];
      };
      assert.deepEqual(send(0), [-abi.EAGAIN, "preempted"]);
      assert.deepEqual(send(1), [-abi.EAGAIN, "preempted"]);
      assert.equal(machine.info().payloads, 0, "neither is listed");
      answers[first]?.(0);
      await new Promise(setImmediate);
      assert.deepEqual(send(first), [0, "none"]);
      const same = witness(machine);
      assert.deepEqual(send(1 - first), [-abi.EEXIST, "id-exists"]);
      answers[1 - first]?.(0);
      await new Promise(setImmediate);
      assert.deepEqual(send(1 - first), [-abi.EEXIST, "id-exists"]);
      same();
    }
  });
});

/** A machine with a firmware that answers when it is told to, and a signed file of each domain. */
async function undecided() {
  const { createPrivateKey } = await import("node:crypto");
  const { readFileSync } = await import("node:fs");
  const { signPayload } = await import("../../host/elf/sign.js");
  const { readCertificates } = await import("../../host/index.js");
  const { inRoot } = await import("../support/root.js");
  const key = createPrivateKey(readFileSync(inRoot("tests/cli/keys/author.key")));
  const keys = await readCertificates(readFileSync(inRoot("tests/cli/keys/author.crt")));
  const answers: ((verdict: number) => void)[] = [];
  const firmware = { verify: () => new Promise<number>((resolve) => answers.push(resolve)) };
  const policy = { domains: { 0: ["upload" as const], 1: ["upload" as const] } };
  const machine = await createMachine({ keys, requireSignature: true, firmware, policy });
  const sign = (file: Uint8Array) => signPayload(file, { key, hash: "sha256" });
  const files = [sign(FILE), sign(renamed(FILE, "xsa125", "other1"))];
  return { machine, files, answers };
}

describe("GET and LIST", () => {
  const three = async (): Promise<Bench> => {
    const b = await Bench.boot();
    for (const id of ["a", "bb", "x".repeat(40)]) {
      await b.upload(id, renamed(FILE, "xsa125", `xsa-${id.slice(0, 2).padEnd(2, "_")}`));
    }
    return b;
  };

  test("R106, R112: from version 0, index 0; `nr` becomes what is left", async () => {
    const { machine } = await three();
    const first = list(machine, 0, 2);
    assert.deepEqual([first.rc, first.op.nr, first.op.idx], [2, 1, 0]);
    assert.notEqual(first.op.version, 0);
    const rest = list(machine, 2, 2);
    assert.deepEqual([rest.rc, rest.op.nr, rest.op.idx], [1, 0, 2]);
    assert.equal(rest.op.version, first.op.version);
    // the vectors of F: 4 from 0, 1, 3, 4
    const rows = [0, 1, 3, 4].map((idx) => list(machine, idx, 4).rc);
    assert.deepEqual(rows, [3, 2, 0, -abi.EINVAL]);
    assert.deepEqual([list(machine, 0, 0).rc, list(machine, 0, 0).op.nr], [0, 3], "K30: a probe");
  });

  test("R108: too many at once is -E2BIG; fewer do", async () => {
    const { machine } = await three();
    const same = witness(machine);
    for (const nr of [65, 66, 1000, 0xffffffff]) {
      assert.equal(list(machine, 0, nr).rc, -abi.E2BIG, `${nr}`);
      assert.equal(reasonOf(machine), "list-batch");
    }
    same();
    assert.equal(list(machine, 0, 64).rc, 3);
  });

  test("R83: whole structures, zeros behind the id, and not a byte more", async () => {
    const { machine } = await three();
    const at = RAM + 0x2000n;
    const noise = new Uint8Array(44 * 4).fill(0xa5);
    machine.write(at, noise, { domain: 0 });
    assert.equal(list(machine, 0, 4, at).rc, 3);
    const after = machine.read(at, noise.length, { domain: 0 });
    const row = (id: string): number[] => [...wireId(id), LOADED, 0, 0, 0];
    const expected = [...row("a"), ...row("bb"), ...row("x".repeat(40))];
    assert.deepEqual([...after.slice(0, 132)], expected);
    assert.deepEqual(after.slice(132), noise.slice(132));
    // GET: the rest of the structure comes back as it went (R82)
    const wire = marshal({ op: "get", id: wireId("a"), status: 0 });
    wire.fill(0x5a, 60);
    machine.sysctl(wire);
    const sent = wire.slice(60);
    assert.ok(
      sent.every((byte) => byte === 0x5a),
      "not touched",
    );
    assert.equal(wire[56], LOADED);
  });

  test("R105: GET answers in every state, also while work is under way", async () => {
    const b = await Bench.boot();
    const seen: number[] = [];
    const look = async (): Promise<void> => {
      seen.push(await b.status("p"));
    };
    await b.upload("p", FILE);
    await look();
    for (const cmd of [1, 4, 3]) {
      action(b.machine, "p", cmd);
      await look();
      b.machine.run();
      await look();
    }
    assert.deepEqual(seen, [LOADED, 2, CHECKED, 2, APPLIED, 2, REVERTED]);
  });
});

describe("ACTION", () => {
  test("R119, R121: fields are judged at once, the outcome never", async () => {
    const b = await Bench.boot();
    await b.upload("p", sample("too-small"));
    const same = witness(b.machine);
    assert.equal(action(b.machine, "", 99), -abi.EINVAL);
    assert.equal(reasonOf(b.machine), "id-empty");
    assert.equal(action(b.machine, "q", 99), -abi.ENOENT, "unknown id before unknown action");
    for (const cmd of [0, 5, 99, 0xffffffff]) {
      assert.deepEqual([action(b.machine, "p", cmd), reasonOf(b.machine)], [-38, "unknown-cmd"]);
    }
    same();
    for (const cmd of [3, 4]) {
      assert.deepEqual([action(b.machine, "p", cmd), reasonOf(b.machine)], [-22, "wrong-state"]);
    }
    same();
    assert.equal(action(b.machine, "p", 1), 0);
    b.machine.run();
    assert.equal(await b.status("p"), -abi.ENOSPC);
  });

  test("R120: after UNLOAD nobody knows the id, until it is uploaded again", async () => {
    const b = await Bench.boot();
    await b.upload("p", FILE);
    await b.xc.unload("p");
    for (const work of [b.xc.get("p"), b.xc.check("p"), b.xc.apply("p"), b.xc.unload("p")]) {
      await refused(work, abi.ENOENT, "no-such-id");
    }
    await b.load("p", FILE);
    assert.equal(await b.status("p"), APPLIED);
  });
});
