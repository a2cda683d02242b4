// Guests on the command line: `boot --workload` on any image, what `info`, `stacks` and `run` tell
// of who entered how, of crashed guests and of CPUs that the hypervisor stopped.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { Session, scratch } from "../cli/support.js";
import { hex } from "../engine/payload.js";
import { unpackPayloads } from "../livepatch/corpus.js";
import { inRoot } from "../support/root.js";
import { miniXen, NOTE, skip, XEN_SYMS } from "./support.js";

interface Stack {
  readonly state: string;
  readonly symbol: string;
  readonly frames: readonly { readonly symbol: string }[];
  readonly fault?: { readonly vector: string; readonly rip: string };
  readonly guest_crash?: { readonly domain: number; readonly vector: string; readonly rip: string };
}

/** mini-Xen's do_xen_version begins with `code`. */
function withVersion(code: string): Uint8Array {
  const image = Buffer.from(miniXen());
  const at = image.indexOf(hex("48c7c0daffffff83ff090f87"));
  assert.ok(at > 0);
  image.set(hex(code), at);
  return image;
}

describe("guests on the command line", () => {
  const s = new Session(scratch());

  async function value<T>(...args: string[]): Promise<T> {
    const answer = await s.json(...args);
    assert.equal(answer.code, 0, answer.err);
    return answer.value as T;
  }

  async function boot(image: Uint8Array, ...args: string[]): Promise<string> {
    writeFileSync(s.file("image"), image);
    const words = ["boot", "--image", s.file("image"), "--cpus", "2", "--workload", "storm"];
    const { code, out, err } = await s.run(...words, ...args);
    assert.equal(code, 0, err);
    return out;
  }

  test("boot and info say who enters how", async () => {
    assert.match(await boot(miniXen()), /^guests +storm$/m);
    const info = await value<Record<string, unknown>>("info");
    const { workload, entries, crashed_guests } = info;
    assert.deepEqual([workload, entries, crashed_guests], ["storm", "image", 0]);
    assert.match(await boot(miniXen(...NOTE)), /^guests +storm, entering by the machine's code$/m);
    assert.match(await boot(miniXen(), "--entries", "machine"), /machine's code$/m);
    const wrong = await s.run("boot", "--entries", "mine");
    assert.deepEqual([wrong.code, /neither image nor machine/.test(wrong.err)], [2, true]);
    const { out } = await s.run("boot");
    assert.doesNotMatch(out, /guests/);
  });

  test("a crashed guest: info counts it, stacks tell why, the run goes on", async () => {
    // The guest's rip becomes 1 << 63: mov %rsp,%rax; or $0x7fff,%rax; mov …,%rcx; and there.
    await boot(withVersion("4889e0 480dff7f0000 48b90000000000000080 48898879ffffff 31c0 c3"));
    const run = await s.run("run", "--ms", "1");
    assert.deepEqual([run.code, run.err], [0, ""]);
    assert.match((await s.run("info")).out, /^guests +storm, 2 of them crashed$/m);
    const { out } = await s.run("stacks");
    const line = /^CPU 0: idle, its guest of domain 1 crashed: #GP at 0x8000000000000000$/m;
    assert.match(out, line);
    for (const { guest_crash, state } of await value<Stack[]>("stacks")) {
      const { domain, vector, rip } = guest_crash ?? {};
      assert.deepEqual([state, domain, vector], ["idle", 1, "#GP"]);
      assert.equal(rip, "0x8000000000000000");
    }
    assert.match((await s.run("console")).out, /^d1v0 is crashed on CPU 0: vector 13, /m);
  });

  test("a fault of the hypervisor: run says which CPU and where, stacks keep it", async () => {
    await boot(withVersion("0f0b"));
    const run = await s.run("run", "--ms", "1");
    assert.match(
      run.err,
      /^xen-xsplice: CPU \d has stopped: #UD at 0x[0-9a-f]+ \(do_xen_version\): ud2 \(0f 0b\)$/m,
    );
    assert.match((await s.run("stacks")).out, /hypervisor, rip .*, stopped by #UD at/);
    const stopped = (await value<Stack[]>("stacks")).filter(({ fault }) => fault);
    assert.deepEqual([stopped.length, stopped[0]?.fault?.vector], [1, "#UD"]);
    assert.ok(stopped.every(({ guest_crash }) => guest_crash === undefined));
  });

  test("Debian's Xen, patched under load by xen-livepatch, command by command", {
    skip,
  }, async () => {
    const words = ["boot", "--image", XEN_SYMS ?? "", "--cpus", "4", "--workload", "storm"];
    assert.equal((await s.run(...words)).code, 0);
    await value("run", "--ms", "1");
    const corpus = unpackPayloads();
    writeFileSync(s.file("hello.livepatch"), corpus.read("base/hello.livepatch"));
    corpus.remove();
    const livepatch = (...args: string[]) => {
      const tool = inRoot("dist/host/cli/xen_livepatch.js");
      const made = spawnSync(process.execPath, [tool, "-m", s.machine, ...args]);
      assert.equal(made.status, 0, String(made.stderr));
    };
    const version = async () => (await s.run("hypercall", "xen_version", "1", "@16")).out;
    const old = await version();
    livepatch("load", s.file("hello.livepatch"));
    await value("run", "--ms", "1");
    assert.match(await version(), /xsplice was her/);
    const names: string[] = [];
    for (let i = 0; i < 8; i++) {
      await value("run", "--instructions", "1501");
      for (const { symbol, frames } of await value<Stack[]>("stacks"))
        names.push(symbol, ...frames.map((frame) => frame.symbol));
    }
    assert.ok(names.some((name) => /^pv_hypercall\+/.test(name)));
    assert.ok(names.some((name) => / \[machine\]$/.test(name)));
    livepatch("revert", "hello");
    livepatch("unload", "hello");
    assert.equal(await version(), old);
    assert.deepEqual(await value("map"), []);
  });
});
