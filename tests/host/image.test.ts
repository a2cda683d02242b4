// Images as a machine takes them: a real one that nobody here built, and ours with its tables
// spoilt. What is measured of Debian's Xen 4.17 is in livepatch-today.md, 6.1 and 6.5.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { createMachine, type Machine, XenError } from "../../host/index.js";
import { inRoot } from "../support/root.js";

const MINI = readFileSync(inRoot("images/mini-xen/mini-xen"));

function findImage(): string | undefined {
  if (process.env.XEN_SYMS) return process.env.XEN_SYMS;
  const directory = "/usr/lib/debug/boot";
  if (!existsSync(directory)) return undefined;
  const name = readdirSync(directory).find((file) => /^xen-syms-4\.17.*-amd64$/.test(file));
  return name === undefined ? undefined : join(directory, name);
}

/** Seeded (SplitMix64): the seed alone repeats a run. */
function random(seed: bigint): (below: number) => number {
  let state = seed;
  return (below) => {
    state = BigInt.asUintN(64, state + 0x9e3779b97f4a7c15n);
    let z = BigInt.asUintN(64, (state ^ (state >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    return Number((z ^ (z >> 31n)) % BigInt(below));
  };
}

const EDGES = [
  0n,
  1n,
  0x7fff_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n,
  0xffff_8000_0000_0000n,
  0xffff_82d0_8011_2f9en,
  0xffff_8300_0000_0000n,
  0xffff_ffff_ffff_f000n,
  0xffff_ffff_ffff_ffffn,
  BigInt(MINI.length),
];

/** Where the file's tables are: header, program headers, section headers, symbols. */
function tables(): [off: number, size: number][] {
  const [phoff, shoff] = [32, 40].map((at) => Number(MINI.readBigUInt64LE(at))) as [number, number];
  const [phnum, shnum] = [56, 60].map((at) => MINI.readUInt16LE(at)) as [number, number];
  const all: [number, number][] = [
    [0, 64],
    [phoff, phnum * 56],
    [shoff, shnum * 64],
  ];
  for (let at = shoff; at < shoff + shnum * 64; at += 64) {
    if (MINI.readUInt32LE(at + 4) !== 2) continue;
    all.push([Number(MINI.readBigUInt64LE(at + 24)), Number(MINI.readBigUInt64LE(at + 32))]);
  }
  return all;
}

function spoil(next: (below: number) => number, places: [number, number][]): Buffer {
  const image = Buffer.from(MINI);
  for (let changes = 1 + next(3); changes > 0; changes--) {
    const [off, size] = places[next(places.length)] as [number, number];
    const at = off + (next(size) & ~7);
    const edge = EDGES[next(EDGES.length)] as bigint;
    if (next(3) === 0) image[at + next(8)] = next(256);
    else if (next(2) === 0) image.writeBigUInt64LE(edge, at);
    else image.writeUInt32LE(next(2) === 0 ? next(64) : next(2 ** 32), at + 4 * next(2));
  }
  return next(8) === 0 ? image.subarray(0, next(image.length)) : image;
}

describe("spoilt images", () => {
  test("boot, or are refused with a reason and leave no machine: never a trap", async () => {
    const seed = BigInt(process.env.SEED ?? Date.now());
    const next = random(seed);
    const places = tables();
    const record = new Uint8Array(128);
    const machine = await createMachine({ cpus: 1 });
    let booted = 0;
    for (let round = 0; round < 400; round++) {
      const where = `SEED=${seed}, round ${round}`;
      const image = spoil(next, places);
      try {
        machine.boot(image, record);
        booted++;
      } catch (error) {
        assert.ok(error instanceof XenError, `${where}: ${error}`);
        assert.match(error.reason, /^(image|elf-|no-memory|boot-parameter)/, where);
        assert.equal(error.step, "boot", where);
      }
      const { framesUsed, cpus } = machine.info();
      assert.equal(framesUsed === 0, cpus === 0, `${where}: ${framesUsed} frames, ${cpus} CPUs`);
    }
    assert.ok(booted > 20 && booted < 380, `${booted} of 400 booted, SEED=${seed}`);
    machine.boot(MINI, record);
    assert.equal(machine.info().version, "Xen 4.6-unstable-g9348394");
  });
});

const REAL = findImage();
const skip = REAL === undefined && "no xen-syms: install xen-hypervisor-4.17-amd64-dbg";

describe("Debian's Xen 4.17", { skip }, () => {
  const boot = (): Promise<Machine> => createMachine({ image: readFileSync(REAL as string) });
  const debian = (machine: Machine): boolean =>
    Buffer.from(machine.info().buildId).toString("hex") ===
    "151b373fd64b321593bf987fd923cd10dabadac4";

  test("has the symbols of Xen's own table, by name and by file", async (t) => {
    const machine = await boot();
    if (!debian(machine)) return t.skip("another build");
    assert.equal(machine.info().symbols, 6883);
    const list = machine.symbols.find("livepatch.c#payload_list");
    assert.deepEqual(
      list.map(({ va, file }) => [va, file]),
      [[0xffff82d040470780n, "common/livepatch.c"]],
    );
    assert.equal(machine.symbols.find("init_done").length, 2);
  });

  test("runs its own code: versions, strings, hypercalls by name", async () => {
    const machine = await boot();
    assert.match(machine.info().version, /^Xen 4\.17\./);
    assert.equal(machine.call("xen_minor_version").rax, 17n);
    const buffer = new Uint8Array(16);
    assert.equal(machine.hypercall("xen_version", [0n, 0n]).rax, 0x40011n);
    assert.equal(machine.hypercall("xen_version", [1n, buffer]).rax, 0n);
    const extra = Buffer.from(buffer).toString("latin1").replace(/\0.*$/s, "");
    assert.ok(machine.info().version.endsWith(extra), extra);
    assert.equal(machine.hypercall("xen_version", [1n, 8n]).rax, 0xffff_ffff_ffff_fff2n);
  });

  test("has text that cannot be written, data that cannot run, and no init", async (t) => {
    const machine = await boot();
    if (!debian(machine)) return t.skip("another build");
    assert.equal(machine.call(0xffff82d040472000n).stop, "fault");
    assert.throws(() => machine.read(0xffff82d0403b7000n, 1), XenError);
    assert.throws(() => machine.read(0xffff82d04045afffn, 1), XenError);
    assert.equal(machine.read(0xffff82d04045b000n, 1).length, 1);
    assert.equal(machine.read(0xffff82d0403b6fffn, 1).length, 1);
  });
});
